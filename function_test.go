package mn_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/provisioner"
)

func TestCallReturnsTheHandlersResult(t *testing.T) {
	app := mntest.New(t, double)
	out, err := double.On(app).Call(t.Context(), 21)
	require.NoError(t, err)
	assert.Equal(t, 42, out)
	out, err = double.Call(app.Context(t.Context()), 4)
	require.NoError(t, err)
	assert.Equal(t, 8, out)
}

func TestHandlersErrorTravelsAsRunError(t *testing.T) {
	missing := errors.New("no such file")
	f := mn.NewFunction("read", func(context.Context, int) (int, error) { return 7, missing })
	out, err := f.On(mntest.New(t, f)).Call(t.Context(), 1)
	assert.Zero(t, out, "a failed call has no result")
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.Equal(t, "function", run.Kind)
	assert.Equal(t, "read", run.Name)
	assert.NotEmpty(t, run.ID)
	assert.Equal(t, 1, run.Attempt)
	assert.Equal(t, "no such file", run.Message)
	assert.Empty(t, run.Stack)
	assert.False(t, run.Panicked())
	assert.NotErrorIs(t, err, missing, "the error itself stays where it happened")
	assert.Regexp(t, `^mn: function "read" \S+ failed in attempt 1: no such file$`, err)
}

func TestPanicFailsTheCallWithItsStackAndTheWorkerGoesOn(t *testing.T) {
	f := mn.NewFunction("explode", func(_ context.Context, n int) (int, error) {
		if n == 0 {
			var none []int
			return none[n], nil
		}
		return n, nil
	}, mn.MaxWorkers(1))
	f = f.On(mntest.New(t, f))
	_, err := f.Call(t.Context(), 0)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.True(t, run.Panicked())
	assert.Equal(t, "panic: runtime error: index out of range [0] with length 0", run.Message)
	assert.Contains(t, run.Stack, "function_test.go:")
	out, err := f.Call(t.Context(), 3)
	require.NoError(t, err)
	assert.Equal(t, 3, out)
}

// sharp hurts whoever encodes or decodes it, as it says itself.
type sharp struct{ Where string }

func (s sharp) MarshalJSON() ([]byte, error) {
	if s.Where == "encode" {
		panic("sharp when encoded")
	}
	return json.Marshal(s.Where)
}

func (s *sharp) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &s.Where); err != nil {
		return err
	}
	if s.Where == "decode" {
		panic("sharp when decoded")
	}
	return nil
}

func TestPanicInACodecFailsOnlyItsCall(t *testing.T) {
	in := mn.NewFunction("in", func(_ context.Context, s sharp) (string, error) { return s.Where, nil }, mn.MaxWorkers(1))
	out := mn.NewFunction("out", func(_ context.Context, s string) (sharp, error) { return sharp{s}, nil }, mn.MaxWorkers(1))
	app := mntest.New(t, in, out)
	for _, c := range []struct {
		name, message string
		call          func() error
		remote        bool
	}{
		{"input encoded by the caller", "sharp when encoded", func() error { _, err := in.On(app).Call(t.Context(), sharp{"encode"}); return err }, false},
		{"input decoded by the worker", "sharp when decoded", func() error { _, err := in.On(app).Call(t.Context(), sharp{"decode"}); return err }, true},
		{"output encoded by the worker", "sharp when encoded", func() error { _, err := out.On(app).Call(t.Context(), "encode"); return err }, true},
		{"output decoded by the caller", "sharp when decoded", func() error { _, err := out.On(app).Call(t.Context(), "decode"); return err }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.call()
			require.ErrorContains(t, err, c.message)
			assert.True(t, strings.HasPrefix(err.Error(), "mn: "), err)
			var run *mn.RunError
			if assert.Equal(t, c.remote, errors.As(err, &run)) && c.remote {
				assert.True(t, run.Panicked())
				assert.Contains(t, run.Stack, "function_test.go:")
			}
		})
	}
	ok, err := in.On(app).Call(t.Context(), sharp{"safe"})
	require.NoError(t, err)
	assert.Equal(t, "safe", ok)
	back, err := out.On(app).Call(t.Context(), "safe")
	require.NoError(t, err)
	assert.Equal(t, sharp{"safe"}, back)
}

func TestGoexitFailsTheCallAndAnotherWorkerComes(t *testing.T) {
	f := mn.NewFunction("exit", func(_ context.Context, n int) (int, error) {
		if n == 0 {
			runtime.Goexit()
		}
		return n, nil
	}, mn.MaxWorkers(1))
	f = f.On(mntest.New(t, f))
	for range 3 {
		_, err := f.Call(t.Context(), 0)
		var run *mn.RunError
		require.ErrorAs(t, err, &run)
		assert.Contains(t, run.Message, "runtime.Goexit")
		out, err := f.Call(t.Context(), 5)
		require.NoError(t, err)
		assert.Equal(t, 5, out)
	}
}

// frail is an error whose methods do not bear a nil receiver.
type frail struct{ inner error }

func (e *frail) Error() string { return e.inner.Error() }
func (e *frail) Unwrap() error { return e.inner }

func TestErrorWhoseMethodsPanicFailsOnlyItsCall(t *testing.T) {
	f := mn.NewFunction("frail", func(context.Context, int) (int, error) {
		var none *frail
		return 0, none
	})
	f = f.On(mntest.New(t, f))
	_, err := f.Call(t.Context(), 0)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
}

func TestTimeoutEndsTheCallWithoutRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var causes log[error]
		f := mn.NewFunction("slow", func(ctx context.Context, n int) (int, error) {
			<-ctx.Done()
			causes.add(context.Cause(ctx))
			return n, nil
		}, mn.Timeout(time.Hour), mn.Retries(5))
		began := time.Now()
		_, err := f.On(mntest.New(t, f)).Call(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrTimeout)
		assert.ErrorContains(t, err, "timed out after 1h0m0s")
		assert.Equal(t, time.Hour, time.Since(began))
		assert.Equal(t, []error{mn.ErrTimeout}, causes.entries())
	})
}

func TestTimeoutDoesNotCountTheWaitForAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("minute", func(_ context.Context, n int) (int, error) {
			pass(time.Minute)
			return n, nil
		}, mn.Timeout(90*time.Second), mn.MaxWorkers(1))
		app := mntest.New(t, f)
		for _, err := range f.On(app).Map(t.Context(), upTo(5)) {
			require.NoError(t, err)
		}
	})
}

func TestRetriesRunAFailedCallAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts log[int]
		f := mn.NewFunction("flaky", func(ctx context.Context, succeedAt int) (int, error) {
			attempts.add(mn.Attempt(ctx))
			if mn.Attempt(ctx) < succeedAt {
				return 0, errors.New("not yet")
			}
			return mn.Attempt(ctx), nil
		}, mn.Retries(2))
		f = f.On(mntest.New(t, f))
		out, err := f.Call(t.Context(), 3)
		require.NoError(t, err)
		assert.Equal(t, 3, out)
		_, err = f.Call(t.Context(), 4)
		var run *mn.RunError
		require.ErrorAs(t, err, &run)
		assert.Equal(t, 3, run.Attempt)
		assert.Equal(t, []int{1, 2, 3, 1, 2, 3}, attempts.entries())
	})
}

func TestPermanentErrorsOfCallsAreNotRetried(t *testing.T) {
	cause := errors.New("never")
	f := mn.NewFunction("permanent", func(context.Context, int) (int, error) {
		return 0, mn.Permanent(cause)
	}, mn.Retries(3))
	_, err := f.On(mntest.New(t, f)).Call(t.Context(), 0)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.Equal(t, 1, run.Attempt)
	assert.Equal(t, "never", run.Message)
	require.NoError(t, mn.Permanent(nil))
	require.ErrorIs(t, mn.Permanent(cause), cause)
}

func TestUnencodableValuesFailTheCall(t *testing.T) {
	channel := mn.NewFunction("channel", func(context.Context, chan int) (int, error) { return 0, nil })
	nan := mn.NewFunction("nan", func(context.Context, int) (float64, error) { return math.NaN(), nil })
	app := mntest.New(t, channel, nan)
	_, err := channel.On(app).Call(t.Context(), make(chan int))
	var unsupported *json.UnsupportedTypeError
	require.ErrorAs(t, err, &unsupported, "the caller gets the codec's own error")
	assert.ErrorContains(t, err, `mn: call of function "channel": encode "in"`)
	_, err = nan.On(app).Call(t.Context(), 0)
	var run *mn.RunError
	require.ErrorAs(t, err, &run, "the handler's side is seen from afar")
	assert.Contains(t, run.Message, `encode "out" of function "nan": json: unsupported value: NaN`)
}

func TestInputOfAnotherTypeFailsWithoutRetry(t *testing.T) {
	here := mn.NewFunction("typed", func(_ context.Context, s string) (string, error) { return s, nil }, mn.Retries(5))
	there := mn.NewFunction[int, string]("typed", nil)
	out := mn.NewFunction[string, int]("typed", nil)
	p := newPlace(t)
	p.app(here)
	client := mntest.NewWith(t, mn.Config{Backend: p, Definitions: []mn.Definition{there}, Provisioner: provisioner.None})
	_, err := there.On(client).Call(t.Context(), 1)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.Equal(t, 1, run.Attempt)
	assert.Contains(t, run.Message, "cannot unmarshal number")
	client = mntest.NewWith(t, mn.Config{Backend: p, Definitions: []mn.Definition{out}, Provisioner: provisioner.None})
	_, err = out.On(client).Call(t.Context(), "text")
	assert.NotErrorAs(t, err, &run, "the handler did well; the caller cannot read it")
	assert.ErrorContains(t, err, `mn: function "typed": decode "out"`)
}
