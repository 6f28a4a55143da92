package guide

import (
	"context"
	"time"

	"github.com/multinode/mn"
)

// Nightly works on rows, a minute for each, and yields how many are done.
var Nightly = mn.NewJob("nightly", nightly, mn.Timeout(time.Hour), mn.Retries(1))

func nightly(ctx context.Context, rows int, yield func(int) bool) error {
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
}
