package mn_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// What was shown as running must not seem to run for ever, however many calls end at that moment.
func TestACallThatWasShownAsRunningIsShownEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) {
			if n < 0 {
				<-finish
			}
			return n, nil
		})
		job := mn.NewJob("job", func(ctx context.Context, n int, _ func(int) bool) error {
			long := fn.Go(ctx, -1)
			time.Sleep(3 * time.Second) //nolint:forbidigo // synctest clock
			for _, err := range fn.Map(ctx, upTo(n)) {
				if err != nil {
					return err
				}
			}
			close(finish) // at the same moment of the bubble's clock
			_, err := long.Wait(ctx)
			return err
		})
		app := mntest.New(t, fn, job)
		id, err := job.On(app).Start(t.Context(), 1000)
		require.NoError(t, err)
		pass(2500 * time.Millisecond)
		tree, err := app.Inspect().Calls(t.Context(), id)
		require.NoError(t, err)
		require.Len(t, tree.Calls, 1)
		require.Equal(t, mn.Running, tree.Calls[0].Status)
		_, err = job.On(app).Wait(t.Context(), id)
		require.NoError(t, err)
		pass(5 * time.Second)
		tree, err = app.Inspect().Calls(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 1001, len(tree.Calls)+tree.Skipped["fn"])
		require.Positive(t, tree.Skipped["fn"])
		require.Equal(t, mn.Succeeded, tree.Calls[0].Status)
		for _, c := range tree.Calls {
			require.NotEqual(t, mn.Running, c.Status)
		}
	})
}
