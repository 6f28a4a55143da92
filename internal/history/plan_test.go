package history_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/multinode/mn"
)

// schedule is what a run's clients do: which jobs are started when, by whom, and what each
// does, all of it following from the seed, so that every client knows every job.
type schedule struct {
	seed   uint64
	begin  int64 // by history.Now
	owners []string
}

// everyone is the owner of jobs that all clients start, with the same ID.
const everyone = "everyone"

// A job is due at each tick with the chance oneIn. The lock keys change with each season,
// so that no key's history grows long.
const (
	tick   = 100 * time.Millisecond
	oneIn  = 6
	season = 50 // ticks
	keys   = 3  // lock keys of a season
)

// plan is one job: its input.
type plan struct {
	ID        mn.JobID
	Locks     []string
	Try       string // a lock to try to take
	TryAt     uint64 // after this yield
	Sync      bool
	Yields    uint64
	Pause     time.Duration // after each yield
	Fails     int           // attempts that fail
	Panics    bool          // instead of returning an error
	Permanent bool          // the error is not to be retried
	Hang      time.Duration // before the end
	Linger    time.Duration // after it was told to stop
	Calls     bool          // it calls a function after each yield
	Removable bool
}

func (s *schedule) random(what string, parts ...any) *rand.Rand {
	id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append([]byte(what), append(parts, s.seed)...))
	return rand.New(rand.NewChaCha8([32]byte(slices.Concat(id[:], id[:]))))
}

func (s *schedule) due(owner string, tick int64) bool {
	return s.random("due", owner, tick).IntN(oneIn) == 0
}

func (s *schedule) now(clock int64) int64 { return (clock - s.begin) / int64(tick) }

func seasonKeys(tick int64) []string {
	all := make([]string, keys)
	for k := range all {
		all[k] = fmt.Sprintf("%d-%c", tick/season, 'a'+k)
	}
	return all
}

func (s *schedule) plan(owner string, t int64) plan {
	id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, s.seed, owner, t))
	r := s.random("plan", owner, t)
	available := seasonKeys(t)
	r.Shuffle(keys, func(i, j int) { available[i], available[j] = available[j], available[i] })
	p := plan{
		ID: mn.JobID(id.String()), Sync: r.IntN(5) < 3, Yields: 1 + r.Uint64N(6),
		Pause: time.Duration(r.IntN(60)) * time.Millisecond, Calls: r.IntN(5) == 0,
		Removable: owner != everyone && r.IntN(3) == 0,
	}
	p.Locks = available[:[]int{0, 0, 0, 1, 1, 1, 1, 2, 2, 2}[r.IntN(10)]]
	if r.IntN(3) == 0 {
		p.Try, p.TryAt = available[r.IntN(keys)], 1+r.Uint64N(p.Yields)
	}
	if r.IntN(4) == 0 { // one that is seldom not in the middle of a yield
		p.Yields, p.Pause = 10+r.Uint64N(50), time.Duration(r.IntN(3))*time.Millisecond
	}
	if r.IntN(3) == 0 {
		p.Linger = time.Duration(r.IntN(800)) * time.Millisecond
	}
	switch r.IntN(10) {
	case 0, 1:
		p.Fails, p.Panics = 1+r.IntN(4), r.IntN(3) == 0
	case 2:
		p.Fails, p.Permanent = 1, true
	case 3, 4:
		p.Hang = time.Duration(r.IntN(2500)) * time.Millisecond
	}
	return p
}

// mayHold is the keys that the job may come to hold.
func (p *plan) mayHold() []string {
	all := slices.Clone(p.Locks)
	if p.Try != "" && !slices.Contains(all, p.Try) {
		all = append(all, p.Try)
	}
	return all
}

// recent picks a job that is due about now, whether anybody has started it or not.
func (s *schedule) recent(r *rand.Rand, clock int64) (p plan, ok bool) {
	now := s.now(clock)
	for range 100 {
		owner := s.owners[r.IntN(len(s.owners))]
		t := now + 1 - int64(min(r.ExpFloat64()*12, 60))
		if t >= 0 && s.due(owner, t) {
			return s.plan(owner, t), true
		}
	}
	return plan{}, false
}
