package mn

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// BulkAction is what [Inspector.Bulk] does to each run.
type BulkAction string

// The actions.
const (
	BulkCancel BulkAction = "cancel" // those that have not ended
	BulkRetry  BulkAction = "retry"  // those that have ended FAILED or CANCELLED
	BulkRemove BulkAction = "remove" // those that have ended
)

// bulkStatuses are the statuses to which an action applies if a filter names none.
var bulkStatuses = map[BulkAction][]Status{
	BulkCancel: {Pending, Running},
	BulkRetry:  {Failed, Cancelled},
	BulkRemove: {Succeeded, Failed, Cancelled},
}

// BulkStep is what became of one run.
type BulkStep struct {
	ID         JobID  `json:"id"`
	Definition string `json:"definition"`
	Status     Status `json:"status"`          // before the action
	New        JobID  `json:"new,omitempty"`   // of a retry
	Err        error  `json:"-"`               // why this run's action failed; the others go on
	Error      string `json:"error,omitempty"` // its text
}

// Bulk does an action to all runs that a filter chooses, one after another, newest first, and
// shows each when it is done. A filter without Statuses chooses those to which the action
// applies; one with Statuses may also name others, so that BulkRemove cancels runs that have
// not ended and removes them when they have. Limit bounds the whole. With dryRun nothing is
// done. Runs that are started meanwhile are not touched. An error ends it; breaking out does too.
func (in *Inspector) Bulk(ctx context.Context, action BulkAction, f RunFilter, dryRun bool) iter.Seq2[BulkStep, error] {
	return func(yield func(BulkStep, error) bool) {
		usual, ok := bulkStatuses[action]
		if !ok {
			yield(BulkStep{}, fmt.Errorf("mn: %q is no bulk action: use cancel, retry or remove", action))
			return
		}
		if len(f.Statuses) == 0 {
			f.Statuses = slices.Clone(usual)
		}
		for left := f.Limit; ; {
			if f.Limit = 100; left > 0 {
				f.Limit = min(left, 100)
			}
			page, err := in.Runs(ctx, f)
			if err != nil {
				yield(BulkStep{}, err)
				return
			}
			for _, r := range page.Runs {
				step := BulkStep{ID: r.ID, Definition: r.Definition, Status: r.Status}
				if !dryRun {
					in.act(ctx, action, &step)
				}
				if !yield(step, nil) {
					return
				}
			}
			if left > 0 {
				if left -= len(page.Runs); left <= 0 {
					return
				}
			}
			if f.Before = page.Next; f.Before == "" {
				return
			}
		}
	}
}

func (in *Inspector) act(ctx context.Context, action BulkAction, s *BulkStep) {
	switch action {
	case BulkCancel:
		s.Err = in.Cancel(ctx, s.ID)
	case BulkRetry:
		s.New, s.Err = in.Retry(ctx, s.ID)
	case BulkRemove:
		s.Err = in.Remove(ctx, s.ID)
	}
	if s.Err != nil {
		s.Error = s.Err.Error()
	}
}
