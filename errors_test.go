package mn_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestUnboundCallSaysWhatToDo(t *testing.T) {
	_, err := double.Call(t.Context(), 1)
	require.ErrorIs(t, err, mn.ErrNoApp)
	assert.Equal(t, `mn: function "double": no app: bind the definition first, as in def.On(app), or pass a context from app.Context`, err.Error())
	_, err = double.On(nil).Call(t.Context(), 1)
	require.ErrorIs(t, err, mn.ErrNoApp)
}

func TestDefinitionThatTheAppWasNotGivenIsUnknown(t *testing.T) {
	other := mn.NewFunction("other", nothing)
	calls := mn.NewFunction("calls", func(ctx context.Context, n int) (int, error) {
		_, err := other.Call(ctx, n)
		if !errors.Is(err, mn.ErrUnknownDefinition) {
			return 0, fmt.Errorf("not what was expected: %w", err)
		}
		return n, nil
	})
	app := mntest.New(t, calls)
	_, err := other.On(app).Call(t.Context(), 1)
	require.ErrorIs(t, err, mn.ErrUnknownDefinition)
	assert.Equal(t, `mn: function "other" in app "test": the app does not have this definition: add it to mn.Config.Definitions`, err.Error())
	_, err = calls.On(app).Call(t.Context(), 1)
	require.NoError(t, err, "in a handler too")
}

func TestNameOfTheOtherKindIsRefused(t *testing.T) {
	p := newPlace(t)
	p.app(mn.NewJob("thing", obedient))
	f := mn.NewFunction[int, int]("thing", nil)
	_, err := f.On(p.app(f)).Call(t.Context(), 1)
	require.ErrorContains(t, err, `mn: call of function "thing": the name belongs to a definition of the other kind`)
}

func TestBackpressureRefusesCallsBeyondMaxPending(t *testing.T) {
	p := newPlace(t)
	block := make(chan struct{})
	f := mn.NewFunction("blocked", func(context.Context, int) (int, error) { <-block; return 0, nil },
		mn.MaxWorkers(1), mn.MaxPending(2))
	app := p.app(f)
	var futures []*mn.Future[int]
	refused := 0
	for i := range 10 {
		fut := f.On(app).Go(t.Context(), i)
		select {
		case <-fut.Done():
			_, err := fut.Wait(t.Context())
			require.ErrorIs(t, err, mn.ErrBackpressure)
			refused++
		default:
			futures = append(futures, fut)
		}
	}
	assert.GreaterOrEqual(t, refused, 7)
	close(block)
	for _, fut := range futures {
		_, err := fut.Wait(t.Context())
		require.NoError(t, err)
	}
}

func TestRunErrorsNestByTheirText(t *testing.T) {
	inner := mn.NewFunction("inner", func(context.Context, int) (int, error) { return 0, errors.New("the reason") })
	outer := mn.NewFunction("outer", func(ctx context.Context, n int) (int, error) {
		out, err := inner.Call(ctx, n)
		return out, fmt.Errorf("outer: %w", err)
	})
	_, err := outer.On(mntest.New(t, inner, outer)).Call(t.Context(), 1)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.Equal(t, "outer", run.Name)
	assert.Regexp(t, `^outer: mn: function "inner" \S+ failed in attempt 1: the reason$`, run.Message)
}

func TestLockErrorIsLockAlreadyInUse(t *testing.T) {
	err := fmt.Errorf("start: %w", &mn.LockError{Key: "table/7", Holder: "someone"})
	require.ErrorIs(t, err, mn.ErrLockAlreadyInUse)
	require.NotErrorIs(t, err, mn.ErrBackpressure)
	assert.ErrorContains(t, err, `lock "table/7" is in use by job someone`)
}

func TestLocalCallsTheHandlerItself(t *testing.T) {
	reason := errors.New("itself")
	f := mn.NewFunction("f", func(_ context.Context, n int) (int, error) { return n + 1, reason })
	out, err := f.Local(t.Context(), 1)
	assert.Equal(t, 2, out)
	require.Equal(t, reason, err, "not a copy from afar")
}

func TestNilHandlerIsNoHandler(t *testing.T) {
	later := mn.NewFunction[int, int]("later", nil)
	_, err := later.Local(t.Context(), 1)
	require.ErrorIs(t, err, mn.ErrNoHandler)
	for _, err := range mn.NewJob[int, int]("job", nil).Local(t.Context(), 1) {
		require.ErrorIs(t, err, mn.ErrNoHandler)
	}
	later.Handle(nothing)
	_, err = later.Local(t.Context(), 1)
	require.NoError(t, err)
	later.Handle(nil)
	_, err = later.Local(t.Context(), 1)
	require.ErrorIs(t, err, mn.ErrNoHandler, "taken back")
	p := newPlace(t)
	p.app(later)
	assert.False(t, p.pool(later).Declared, "an app without the handler does not execute it")
}
