package mntest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

var nightly = mn.NewJob("nightly", func(ctx context.Context, rows int, yield func(int) bool) error {
	done, _ := mn.LastYield[int](ctx)
	for ; done < rows; done++ {
		select {
		case <-time.After(time.Minute): // the work of a row
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !yield(done + 1) {
			return nil
		}
	}
	return nil
}, mn.Timeout(time.Hour), mn.Retries(1))

// In a test, t is the test's own. Two hours pass in milliseconds, because the app is
// made in a synctest bubble.
func ExampleNew() {
	var t *testing.T
	synctest.Test(t, func(t *testing.T) {
		app := mntest.New(t, nightly)
		id, err := nightly.On(app).Start(t.Context(), 120)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nightly.On(app).Wait(t.Context(), id); !errors.Is(err, mn.ErrTimeout) {
			t.Errorf("two hours' work ended with %v", err)
		}
	})
}

// The worker dies after the third row; the next attempt goes on with the fourth.
func ExampleKillAfterYield() {
	var t *testing.T
	synctest.Test(t, func(t *testing.T) {
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{nightly}},
			mntest.KillAfterYield("nightly", 3))
		id, err := nightly.On(app).Start(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := nightly.On(app).Wait(t.Context(), id); n != 5 || err != nil {
			t.Errorf("got %d rows, %v", n, err)
		}
	})
}
