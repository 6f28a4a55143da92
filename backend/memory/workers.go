package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/multinode/mn/backend"
)

// Workers implements [backend.Client].
func (s *store) Workers(ctx context.Context, pool string, offset, limit int) ([]backend.WorkerInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools[pool]
	if p == nil {
		return nil, nil
	}
	slots := make([]*slot, 0, p.slots)
	for _, sl := range s.slots {
		if sl.pool == p {
			slots = append(slots, sl)
		}
	}
	slices.SortFunc(slots, func(a, b *slot) int { return strings.Compare(a.id, b.id) })
	slots = slots[min(max(0, offset), len(slots)):]
	infos := make([]backend.WorkerInfo, min(max(0, limit), len(slots)))
	for i := range infos {
		infos[i] = slots[i].info()
	}
	return infos, nil
}

func (sl *slot) info() backend.WorkerInfo {
	ses, state := sl.session, backend.WorkerIdle
	if ses == nil {
		ses, state = sl.launcher, backend.WorkerStarting
	}
	info := backend.WorkerInfo{Slot: sl.id, Pool: sl.pool.spec.Name, Session: ses.ID, Label: ses.Label}
	for _, t := range sl.tasks {
		info.Tasks = append(info.Tasks, t.ID)
	}
	if len(info.Tasks) > 0 {
		state = backend.WorkerBusy
	}
	info.State = state
	return info
}

// Report implements [backend.Worker].
func (s *store) Report(ctx context.Context, stats []backend.PoolStats) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range stats {
		if p := s.pools[stats[i].Pool]; p != nil {
			p.stats.Add(&stats[i].Stats)
		}
	}
	return nil
}
