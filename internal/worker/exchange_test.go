package worker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// recalled is a store that leased a task by an exchange whose answer was lost.
type recalled struct {
	backend.Store
	asked []uint64
}

func (s *recalled) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	s.asked = append(s.asked, req.Op)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return []backend.Assignment{{Lease: backend.Lease{Task: "leased"}}}, nil
}

// Else the task would be lost with the slot, and charged a crash.
func TestADrainingWorkerAsksAfterAnExchangeThatGotNoAnswer(t *testing.T) {
	s := &recalled{}
	p := NewProcess(Config{Store: s, Session: backend.Session{ID: "me", Lease: time.Second}})
	ctx, drain := context.WithCancel(context.Background())
	drain()
	w := &worker{proc: p, pool: &Pool{}, slot: backend.Slot{ID: "s"}, ctx: ctx, stop: drain}
	w.next = nextClaim{req: backend.ClaimRequest{Slot: "s", Session: "me", Op: 7}}
	as, err := w.nextTasks()
	require.NoError(t, err)
	require.Len(t, as, 1)
	require.Equal(t, []uint64{7}, s.asked)
}
