package redis

import (
	"context"
	"strings"

	"github.com/multinode/mn/backend"
)

// Heartbeat implements [backend.Worker].
func (s *store) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	args := make([]any, 0, 2+2*len(leases))
	args = append(args, session, len(leases))
	for _, l := range leases {
		args = append(args, l.Task, leaseText(l))
	}
	reply, err := s.eval(ctx, scriptBeat, args)
	if err != nil {
		return nil, err
	}
	letters, ok := reply.(string)
	if !ok {
		return nil, backend.ErrSessionLost
	}
	if len(letters) != len(leases) {
		return nil, errForeign
	}
	states := make([]backend.LeaseState, len(leases))
	for i := range leases {
		switch letters[i] {
		case 'H':
			states[i] = backend.LeaseHeld
		case 'C':
			states[i] = backend.LeaseCancelling
		default:
			states[i] = backend.LeaseLost
		}
	}
	return states, nil
}

// Yield implements [backend.Worker].
func (s *store) Yield(ctx context.Context, l backend.Lease, yields []backend.Yield) error {
	args := []any{l.Task, leaseText(l), len(yields)}
	for _, y := range yields {
		args = append(args, y.Number, y.Data)
	}
	reply, err := s.text(ctx, scriptYield, args)
	if err == nil && reply == "lost" {
		err = backend.ErrLeaseLost
	}
	return err
}

// Lock implements [backend.Worker].
func (s *store) Lock(ctx context.Context, l backend.Lease, keys []string) error {
	reply, err := s.text(ctx, scriptLock, append([]any{l.Task, leaseText(l)}, list(keys)...))
	if err != nil {
		return err
	}
	if held, ok := strings.CutPrefix(reply, "lock"); ok {
		return lockError(held)
	}
	if reply == "lost" {
		return backend.ErrLeaseLost
	}
	return nil
}
