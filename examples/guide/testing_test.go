package guide

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestMeasureAddsUpATree(t *testing.T) {
	app := mntest.New(t, Measure)
	total, err := Measure.On(app).Call(t.Context(), Folder{Size: 1, Folders: []Folder{{Size: 2}, {Size: 3}}})
	if err != nil || total != 6 {
		t.Errorf("got %d, %v", total, err)
	}
}

func TestNightlyIsEndedAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := mntest.New(t, Nightly)
		id, err := Nightly.On(app).Start(t.Context(), 120)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Nightly.On(app).Wait(t.Context(), id); !errors.Is(err, mn.ErrTimeout) {
			t.Errorf("two hours' work ended with %v", err)
		}
	})
}

func TestNightlyGoesOnAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{Nightly}},
			mntest.KillAfterYield("nightly", 3))
		id, err := Nightly.On(app).Start(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Nightly.On(app).Wait(t.Context(), id); n != 5 || err != nil {
			t.Errorf("got %d rows, %v", n, err)
		}
	})
}

func TestRenderWithoutAnApp(t *testing.T) {
	if _, err := Render.Local(t.Context(), Page{Number: 1}); err == nil {
		t.Error("an empty page was rendered")
	}
}

func TestImportYieldsEachRow(t *testing.T) {
	rows := int64(0)
	for at, err := range Import.Local(t.Context(), Source{File: "users.csv", Rows: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		if rows++; at.Done != rows {
			t.Errorf("yield %d says %d rows", rows, at.Done)
		}
	}
}
