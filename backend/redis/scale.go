package redis

import (
	"context"

	"github.com/multinode/mn/backend"
)

// Reserve implements [backend.Scaler].
func (s *store) Reserve(ctx context.Context, session string, pools []string, limit int) ([]backend.Slot, error) {
	flat, refusal, err := s.texts(ctx, scriptReserve, append([]any{session, limit}, list(pools)...))
	if err != nil {
		return nil, err
	}
	if refusal != "" {
		return nil, backend.ErrSessionLost
	}
	slots := make([]backend.Slot, 0, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		slots = append(slots, backend.Slot{ID: flat[i], Pool: flat[i+1]})
	}
	return slots, nil
}

// Exit implements [backend.Scaler].
func (s *store) Exit(ctx context.Context, exits []backend.SlotExit) error {
	args := []any{len(exits)}
	for _, e := range exits {
		args = append(args, e.Slot, e.Note, flag(e.Refused))
	}
	if _, err := s.text(ctx, scriptExit, args); err != nil {
		return err
	}
	for _, e := range exits {
		s.endedSlot(e.Slot)
	}
	return nil
}

// sweepNone is a sweep's limit that repairs nothing and only queues delayed tasks.
const sweepNone = 0

// Sweep implements [backend.Scaler].
func (s *store) Sweep(ctx context.Context, limit int) (int, error) {
	list, _, err := s.texts(ctx, scriptSweep, []any{limit})
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 0, errForeign
	}
	for _, what := range list[1:] {
		s.b.opts.Logger.Error("mn: a record that is lost could not be read and was set aside", "keys", s.prefix, "record", what)
	}
	return number[int](list[0]), nil
}
