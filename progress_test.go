package mn_test

import (
	"encoding/json"
	"math"
	"testing"
	check "testing/quick"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

func TestAProgressMeterMeasuresRateAndRemainingTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mn.NewProgress(1000, "rows")
		require.Equal(t, mn.Progress{Total: 1000, Unit: "rows"}, m.Now())
		require.Zero(t, m.Add(5).Rate, "no time has passed")
		for range 99 {
			pass(500 * time.Millisecond)
			m.Add(5)
		}
		p := m.Now()
		require.EqualValues(t, 500, p.Done)
		require.InDelta(t, 10, p.Rate, 0.5, "units a second")
		require.InDelta(t, 50, p.Remaining.Seconds(), 3)
		require.InDelta(t, 0.5, p.Fraction(), 1e-9)

		for range 200 { // twice as fast
			pass(250 * time.Millisecond)
			m.Add(5)
		}
		require.InDelta(t, 20, m.Now().Rate, 1, "the rate follows")
		p = m.Add(1)
		require.EqualValues(t, 1501, p.Done)
		require.Zero(t, p.Remaining, "more than all is done")
		require.InDelta(t, 1, p.Fraction(), 0)
	})
}

func TestAResumedJobsProgressIsNotTakenForSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mn.NewProgress(0, "")
		require.EqualValues(t, 900, m.Set(900).Done)
		require.Zero(t, m.Now().Fraction(), "the total is not known")
		pass(time.Second)
		p := m.Add(2)
		require.InDelta(t, 2, p.Rate, 1e-9)
		require.Zero(t, p.Remaining)
		p = m.SetTotal(1000)
		require.InDelta(t, 49, p.Remaining.Seconds(), 1e-6)
		require.Equal(t, "reading", m.Say("reading").Message)
		require.Zero(t, m.SetTotal(-1).Total)
		require.Less(t, m.SetTotal(math.MaxInt64).Remaining, time.Duration(math.MaxInt64))
	})
}

// Whatever a meter says is found in what a job yields: as it is, and in a field.
func TestFindProgressFindsWhatWasYielded(t *testing.T) {
	finds := func(done, total uint32, unit, message string, rate float32) bool {
		p := mn.Progress{Done: int64(done), Total: int64(total), Unit: unit, Message: message, Rate: float64(rate), Remaining: 3}
		for _, value := range []any{
			p, &p,
			map[string]any{"step": p},
			map[string]any{"a": 1, "b": "done", "z": p},
			struct {
				Name string
				Mark any
				At   mn.Progress
				Then mn.Progress
			}{Name: `{"done":1,"total":2}`, Mark: []any{1, mn.Progress{Done: 7}}, At: p, Then: mn.Progress{Done: 8}},
		} {
			text, err := json.Marshal(value)
			if err != nil {
				t.Error(err)
			}
			var want, got mn.Progress // strings may not be valid UTF-8
			plain, _ := json.Marshal(p)
			_ = json.Unmarshal(plain, &want)
			var ok bool
			if got, ok = mn.FindProgress(text); !ok || got != want {
				t.Logf("%s: %+v, %t", text, got, ok)
				return false
			}
		}
		return true
	}
	require.NoError(t, check.Check(finds, nil))
}

func TestFindProgressTakesNothingElseForOne(t *testing.T) {
	for _, text := range []string{
		``, `null`, `1`, `"done"`, `[]`, `[{"done":1,"total":2}]`, `{}`, `{"done":1}`, `{"total":1}`,
		`{"done":true,"total":2}`, `{"done":1.5,"total":2}`, `{"done":-1,"total":2}`, `{"done":1,"total":-2}`,
		`{"done":1,"total":2,"unit":5}`, `{"a":{"b":{"done":1,"total":2}}}`, `{"a":[{"done":1,"total":2}]}`,
		`{"done":1,"total":`, `{"done":null,"total":2}`, `{"`, `{"a":{"done":1,"total":2`, "\xff",
	} {
		p, ok := mn.FindProgress(json.RawMessage(text))
		require.False(t, ok, "%s: %+v", text, p)
		require.Zero(t, p)
	}
}

func FuzzFindProgress(f *testing.F) {
	f.Add([]byte(`{"a":{"done":1,"total":2},"b":3}`))
	f.Add([]byte(`{"done":1,"total":2,"rate":1e308}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, ok := mn.FindProgress(text)
		if ok && (p.Done < 0 || p.Total < 0 || p.Fraction() < 0 || p.Fraction() > 1) || !ok && p != (mn.Progress{}) {
			t.Errorf("%q: %+v, %t", text, p, ok)
		}
	})
}
