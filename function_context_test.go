package mn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

func TestCallWithADoneContextIsNotMade(t *testing.T) {
	var ended log[error]
	f := waiting(&ended)
	p := newPlace(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the user left")
	cancel(reason)
	_, err := f.On(p.app(f)).Call(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, reason, "the cause is told too")
	assert.ErrorContains(t, err, `mn: call of function "waiting": `)
	assert.Zero(t, p.pool(f).Slots)
}

func TestCancelOfARunningCallEndsItsHandlersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended log[error]
		f := waiting(&ended)
		p := newPlace(t)
		app := p.app(f)
		ctx, cancel := context.WithCancel(t.Context())
		call := f.On(app).Go(ctx, 1)
		settled()
		require.Equal(t, 1, p.pool(f).Running)
		cancel()
		_, err := call.Wait(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		settled()
		assert.Equal(t, []error{mn.ErrJobCancelled}, ended.entries())
		assert.Zero(t, p.pool(f).Running, "its record is gone")
		assert.Equal(t, 1, p.pool(f).Idle, "its worker is free")
	})
}

func TestCancelOfAPendingCallForgetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended log[error]
		f := waiting(&ended)
		p := newPlace(t)
		f = f.On(p.app(f, double)) // more than MaxWorkers
		first, cancelFirst := context.WithCancel(t.Context())
		defer cancelFirst()
		for range mn.DefaultMaxWorkers {
			f.Go(first, 1)
		}
		settled()
		second, cancelSecond := context.WithTimeout(t.Context(), time.Minute)
		defer cancelSecond()
		_, err := f.Call(second, 2)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		settled()
		assert.Zero(t, p.pool(f).Pending)
		assert.Empty(t, ended.entries(), "the running ones go on")
	})
}

func TestHandlerThatIgnoresItsCancelIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stubborn := mn.NewFunction("stubborn", func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				<-release
			}
			return n, nil
		}, mn.MaxWorkers(1), mn.CancellationGrace(time.Minute))
		p := newPlace(t)
		f := stubborn.On(p.app(stubborn))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.Call(ctx, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the caller does not wait for the grace")
		began := time.Now()
		out, err := f.Call(t.Context(), 3)
		require.NoError(t, err)
		assert.Equal(t, 3, out)
		assert.GreaterOrEqual(t, time.Since(began), time.Minute, "its worker counts until the grace is over")
		close(release)
	})
}

func TestTimeoutOfTheHandlerEndsItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended log[error]
		inner := waiting(&ended)
		outer := mn.NewFunction("outer", func(ctx context.Context, n int) (int, error) {
			return inner.Call(ctx, n)
		}, mn.Timeout(time.Minute))
		p := newPlace(t)
		_, err := outer.On(p.app(inner, outer)).Call(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrTimeout)
		settled()
		assert.Equal(t, []error{mn.ErrJobCancelled}, ended.entries())
		assert.Zero(t, p.pool(inner).Running)
	})
}

func TestDeadlineOfTheHandlersContextIsItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("deadline", func(ctx context.Context, _ int) (time.Duration, error) {
			at, ok := ctx.Deadline()
			if !ok {
				return 0, errors.New("no deadline")
			}
			return time.Until(at), nil
		}, mn.Timeout(7*time.Minute))
		left, err := f.On(newPlace(t).app(f)).Call(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, 7*time.Minute, left)
	})
}

func TestCallsOfAClosedAppFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended log[error]
		f := waiting(&ended)
		app := newPlace(t).app(f)
		call := f.On(app).Go(t.Context(), 1)
		settled()
		require.NoError(t, app.Close())
		_, err := call.Wait(t.Context())
		require.ErrorIs(t, err, mn.ErrAppClosed)
		assert.Equal(t, []error{mn.ErrDraining}, ended.entries())
		_, err = f.On(app).Call(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrAppClosed)
		_, err = f.On(app).Go(t.Context(), 1).Wait(t.Context())
		require.ErrorIs(t, err, mn.ErrAppClosed)
		told := 0
		for _, err := range f.On(app).Map(t.Context(), upTo(1000)) {
			require.ErrorIs(t, err, mn.ErrAppClosed)
			told++
		}
		assert.Equal(t, 1, told, "once, not for each input")
	})
}
