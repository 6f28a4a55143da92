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
	"github.com/multinode/mn/mntest"
)

func TestLostWorkerRunsTheCallAgainUpToTheCrashBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended log[error]
		f := waiting(&ended)
		machines := newFragile()
		app := mntest.NewWith(t, mn.Config{Provisioner: machines, Definitions: []mn.Definition{f}})
		call := f.On(app).Go(t.Context(), 1)
		for crash := range mn.CrashBudget + 1 {
			pass(time.Minute)
			require.Len(t, machines.launched.entries(), crash+1, "each crash brings a new worker")
			machines.crash("exit code 137: out of memory")
		}
		_, err := call.Wait(t.Context())
		require.ErrorIs(t, err, mn.ErrWorkerLost)
		var run *mn.RunError
		require.ErrorAs(t, err, &run)
		assert.Equal(t, mn.CrashBudget+1, run.Attempt)
		assert.Equal(t, "worker lost: exit code 137: out of memory", run.Message)
		settled()
		assert.Equal(t, []error{mn.ErrLeaseLost, mn.ErrLeaseLost, mn.ErrLeaseLost, mn.ErrLeaseLost}, ended.entries())
	})
}

func TestCallSucceedsAfterAsManyCrashesAsTheBudgetHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machines := newFragile()
		f := mn.NewFunction("fragile", func(ctx context.Context, n int) (int, error) {
			if mn.Attempt(ctx) <= mn.CrashBudget {
				machines.crash("gone")
				<-ctx.Done()
				return 0, errors.New("nobody hears this")
			}
			return mn.Attempt(ctx), nil
		})
		app := mntest.NewWith(t, mn.Config{Provisioner: machines, Definitions: []mn.Definition{f}})
		out, err := f.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, mn.CrashBudget+1, out)
	})
}

func TestCrashesAndErrorsHaveBudgetsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machines := newFragile()
		f := mn.NewFunction("both", func(ctx context.Context, n int) (int, error) {
			if mn.Attempt(ctx)%2 == 1 {
				machines.crash("gone")
				<-ctx.Done()
			}
			return 0, errors.New("failed")
		}, mn.Retries(1))
		app := mntest.NewWith(t, mn.Config{Provisioner: machines, Definitions: []mn.Definition{f}})
		_, err := f.On(app).Call(t.Context(), 1)
		var run *mn.RunError
		require.ErrorAs(t, err, &run)
		assert.Equal(t, 4, run.Attempt, "crash, error, crash, error")
		assert.Equal(t, "failed", run.Message)
	})
}

func TestCallOfASilentWorkerRunsAgainWithinTheTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		f := mn.NewFunction("silent", func(ctx context.Context, n int) (int, error) {
			if first {
				first = false
				<-ctx.Done()
				assert.ErrorIs(t, context.Cause(ctx), mn.ErrLeaseLost)
			}
			return mn.Attempt(ctx), nil
		})
		p := newPlace(t)
		there := mn.NewFunction[int, int]("silent", nil)
		client := p.app(there)
		mntest.NewWith(t, mn.Config{Backend: p, Definitions: []mn.Definition{f}}, mntest.DropHeartbeats(5))
		began := time.Now()
		call := there.On(client).Go(t.Context(), 1)
		settled()
		p.app(f) // runs it again
		out, err := call.Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, out)
		assert.LessOrEqual(t, time.Since(began), 25*time.Second)
	})
}
