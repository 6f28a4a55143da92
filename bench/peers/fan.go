package main

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// fan calls do with 0 to n-1 from as many goroutines as width says, and returns the
// first error.
func fan(ctx context.Context, width, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(width)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// fanDo is a batch for engines that have none: many callers at a time.
func fanDo(ctx context.Context, width, n int, do func(ctx context.Context, n int) (int, error)) error {
	return fan(ctx, width, n, func(ctx context.Context, i int) error {
		out, err := do(ctx, i)
		if err == nil && out != i {
			err = errWrongAnswer
		}
		return err
	})
}
