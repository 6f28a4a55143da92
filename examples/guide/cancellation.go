package guide

import (
	"context"
	"errors"
	"time"

	"github.com/multinode/mn"
)

// Upload copies a folder to a store, part by part.
var Upload = mn.NewJob("upload", upload, mn.CancellationGrace(time.Minute))

// DeleteParts deletes what an unfinished upload has left.
var DeleteParts = mn.NewFunction("delete-parts", deleteParts)

func upload(ctx context.Context, folder string, yield func(int) bool) error {
	parts, _ := mn.LastYield[int](ctx)
	for ; parts < 100; parts++ {
		if err := copyPart(ctx, folder, parts); err != nil {
			return stopped(ctx, folder, err)
		}
		if !yield(parts + 1) {
			return stopped(ctx, folder, nil)
		}
	}
	return nil
}

// stopped cleans up where nobody will go on with the upload.
func stopped(ctx context.Context, folder string, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err // the copy failed: another attempt may follow
	case errors.Is(cause, mn.ErrJobCancelled), errors.Is(cause, mn.ErrTimeout):
		_, err = DeleteParts.Call(mn.CleanupContext(ctx), folder)
		return err
	default: // ErrDraining, ErrLeaseLost: another worker goes on from the last yield
		return cause
	}
}

func copyPart(ctx context.Context, _ string, _ int) error {
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func deleteParts(context.Context, string) (int, error) { return 0, nil }

func cancelAndWait(ctx context.Context, id mn.JobID) error {
	if err := Upload.Cancel(ctx, id); err != nil {
		return err
	}
	_, err := Upload.Wait(ctx, id)
	if errors.Is(err, mn.ErrJobCancelled) {
		return nil
	}
	return err // it had ended before, or failed
}

func callForAMinute(ctx context.Context, folder string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return DeleteParts.Call(ctx, folder)
}
