package redis

import (
	"context"
	"time"

	"github.com/multinode/mn/backend"
)

// Settle implements [backend.Worker].
func (s *store) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	args := make([]any, 0, 2+11*len(ends))
	args = append(args, 0, len(ends))
	for i := range ends {
		args = appendEnd(args, &ends[i])
	}
	replies, _, err := s.texts(ctx, scriptSettle, args)
	if err != nil {
		return nil, err
	}
	if len(replies) != len(ends) {
		return nil, errForeign
	}
	answers := make([]backend.Settled, len(ends))
	for i, r := range replies {
		answers[i] = s.settled(&ends[i], r)
	}
	return answers, nil
}

// settled reads settle.lua's answer for one attempt.
func (s *store) settled(e *backend.Settlement, reply string) backend.Settled {
	if reply == "lost" {
		return backend.Settled{Err: backend.ErrLeaseLost}
	}
	if e.Leave {
		s.endedSlot(e.Lease.Slot)
	}
	st := statuses[reply]
	if e.RetryIn > 0 && st == backend.StatusPending {
		s.promoteIn(e.RetryIn)
	}
	return backend.Settled{Status: st}
}

func appendEnd(args []any, e *backend.Settlement) []any {
	if e.Outcome == backend.Succeeded && len(e.Yields) == 0 && !e.Leave {
		return append(args, e.Lease.Task, leaseText(e.Lease), "S", e.Result)
	}
	args = append(args, e.Lease.Task, leaseText(e.Lease), int(e.Outcome), e.Result, len(e.Yields))
	for _, y := range e.Yields {
		args = append(args, y.Number, y.Data)
	}
	var f backend.Failure
	if e.Failure != nil {
		f = *e.Failure
	}
	return append(args, f.Code, f.Detail, f.Note, flag(e.Permanent), millis(e.RetryIn), flag(e.Leave))
}

// promoteIn sees to it that a retry begins at its time, not at the sweep after it.
func (s *store) promoteIn(d time.Duration) {
	s.b.start(func(ctx context.Context) {
		timer := time.NewTimer(d + time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		_, _ = s.Sweep(ctx, sweepNone)
	})
}
