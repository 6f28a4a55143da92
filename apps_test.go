package mn_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/provisioner"
)

func TestDefinitionWithoutHandlerIsExecutedWhereTheHandlerIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.app(double)
		there := mn.NewFunction[int, int]("double", nil)
		for _, cfg := range []mn.Config{{Provisioner: provisioner.None}, {}} {
			cfg.Backend, cfg.Definitions = p, []mn.Definition{there}
			client := mntest.NewWith(t, cfg)
			out, err := there.On(client).Call(t.Context(), 21)
			require.NoError(t, err)
			assert.Equal(t, 42, out)
			assert.Len(t, collect(t, there.On(client).Map(t.Context(), upTo(100))), 100)
		}
	})
}

func TestHandlerMayCallWhatOnlyAnotherAppExecutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.app(double)
		there := mn.NewFunction[int, int]("double", nil)
		quadruple := mn.NewFunction("quadruple", func(ctx context.Context, n int) (int, error) {
			n, err := there.Call(ctx, n)
			if err != nil {
				return 0, err
			}
			return there.Call(ctx, n)
		})
		out, err := quadruple.On(p.app(there, quadruple)).Call(t.Context(), 5)
		require.NoError(t, err)
		assert.Equal(t, 20, out)
	})
}

func TestTwoAppsWithTheSameDefinitionsLiveSideBySide(t *testing.T) {
	who := mn.NewFunction[int, string]("who", nil)
	who.Handle(func(ctx context.Context, n int) (string, error) {
		if n > 0 {
			return who.Call(ctx, n-1) // stays in its app
		}
		return mn.TaskID(ctx), nil
	})
	count := mn.NewJob("count", counting)
	one, two := mntest.New(t, who, count), mntest.New(t, who, count)
	a, err := who.On(one).Call(t.Context(), 2)
	require.NoError(t, err)
	b, err := who.On(two).Call(t.Context(), 2)
	require.NoError(t, err)
	assert.NotEqual(t, a[:20], b[:20], "each has its own session")
	id, err := count.On(one).Start(t.Context(), 0)
	require.NoError(t, err)
	_, err = count.On(one).Get(t.Context(), id)
	require.NoError(t, err)
	_, err = count.On(two).Get(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobDoesNotExist)
	require.NoError(t, one.Close())
	_, err = who.On(two).Call(t.Context(), 1)
	require.NoError(t, err, "the end of one is not the other's")
}

func TestBindingLeavesTheDefinitionUnbound(t *testing.T) {
	app := mntest.New(t, double)
	bound := double.On(app)
	assert.Equal(t, "double", bound.Name())
	_, err := double.Call(t.Context(), 1)
	require.ErrorIs(t, err, mn.ErrNoApp)
	other := mntest.New(t, mn.NewFunction("double", func(_ context.Context, n int) (int, error) { return -n, nil }))
	out, err := bound.Call(other.Context(t.Context()), 1)
	require.NoError(t, err)
	assert.Equal(t, 2, out, "the binding goes before the context")
}

func TestHandleAfterNewDoesNotConcernTheApp(t *testing.T) {
	f := mn.NewFunction("f", func(context.Context, int) (string, error) { return "old", nil })
	app := mntest.New(t, f)
	f.Handle(func(context.Context, int) (string, error) { return "new", nil })
	out, err := f.On(app).Call(t.Context(), 1)
	require.NoError(t, err)
	assert.Equal(t, "old", out)
}
