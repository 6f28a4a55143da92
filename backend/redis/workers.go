package redis

import (
	"context"
	"strconv"

	"github.com/multinode/mn/backend"
)

// mostSlots is how many slots one step reads, and mostPools of how many pools it adds to the
// statistics: the server serves nobody else meanwhile.
const (
	mostSlots = 200
	mostPools = 16
)

// Workers implements [backend.Client].
func (s *store) Workers(ctx context.Context, pool string, offset, limit int) ([]backend.WorkerInfo, error) {
	var infos []backend.WorkerInfo
	for len(infos) < limit {
		n := min(mostSlots, limit-len(infos))
		reply, err := s.eval(ctx, scriptWorkers, []any{pool, offset, n})
		if err != nil {
			return nil, err
		}
		rows, ok := reply.([]any)
		if !ok {
			return nil, errForeign
		}
		for _, row := range rows {
			info, err := parseWorker(pool, row)
			if err != nil {
				return nil, err
			}
			infos = append(infos, info)
		}
		if len(rows) < n {
			break
		}
		offset += n
	}
	return infos, nil
}

// states are the letters of workers.lua.
var states = map[string]backend.WorkerState{
	"S": backend.WorkerStarting, "I": backend.WorkerIdle, "B": backend.WorkerBusy,
}

// parseWorker reads a row of workers.lua: slot, state, session, label, tasks.
func parseWorker(pool string, row any) (info backend.WorkerInfo, err error) {
	values, ok := row.([]any)
	if !ok || len(values) < 4 {
		return info, errForeign
	}
	f := make([]string, len(values))
	for i, v := range values {
		f[i], _ = v.(string)
	}
	info = backend.WorkerInfo{Slot: f[0], Pool: pool, State: states[f[1]], Session: f[2], Label: f[3]}
	if len(f) > 4 {
		info.Tasks = f[4:]
	}
	return info, nil
}

// Report implements [backend.Worker].
func (s *store) Report(ctx context.Context, stats []backend.PoolStats) error {
	for len(stats) > 0 {
		n := min(mostPools, len(stats))
		args := []any{n}
		for i := range stats[:n] {
			args = appendStats(args, &stats[i])
		}
		if _, err := s.text(ctx, scriptReport, args); full(err) {
			return backend.ErrBackpressure
		} else if err != nil {
			return err
		}
		stats = stats[n:]
	}
	return nil
}

// The names of a pool's statistics: three counts, and a letter and a number for each bucket.
const (
	statSucceeded = "s"
	statFailed    = "f"
	statReleased  = "r"
	statWait      = "w"
	statRun       = "e"
)

// appendStats adds what report.lua reads of one pool: what is not zero.
func appendStats(args []any, p *backend.PoolStats) []any {
	args = append(args, p.Pool, 0)
	at, n := len(args)-1, 0
	add := func(name string, count uint64) {
		if count > 0 {
			args = append(args, name, count)
			n++
		}
	}
	add(statSucceeded, p.Succeeded)
	add(statFailed, p.Failed)
	add(statReleased, p.Released)
	for i := range backend.Buckets {
		add(statWait+strconv.Itoa(i), p.Wait[i])
		add(statRun+strconv.Itoa(i), p.Run[i])
	}
	args[at] = n
	return args
}

// parseStats reads the netstrings of the names and values of a pool's statistics.
func parseStats(text string) (s backend.Stats, err error) {
	f, err := netstrings(text)
	if err != nil {
		return s, err
	}
	counts := make(map[string]uint64, len(f)/2)
	for i := 0; i+1 < len(f); i += 2 {
		counts[f[i]] = number[uint64](f[i+1])
	}
	s.Succeeded, s.Failed, s.Released = counts[statSucceeded], counts[statFailed], counts[statReleased]
	for i := range backend.Buckets {
		s.Wait[i] = counts[statWait+strconv.Itoa(i)]
		s.Run[i] = counts[statRun+strconv.Itoa(i)]
	}
	return s, nil
}
