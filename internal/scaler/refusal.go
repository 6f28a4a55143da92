package scaler

import (
	"context"
	"time"

	"github.com/multinode/mn/provisioner"
)

// The wait before a pool that the platform refused is tried again.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// forgetAfter is how long after a rest a refusal counts as the first again.
	forgetAfter = 10 * time.Minute
)

// shortLife is the age below which the death of a worker counts as a refusal: a program
// that crashes as it starts must not be launched in a loop.
const shortLife = 2 * time.Second

// refusal is how often in a row the platform refused a pool's workers.
type refusal struct {
	times int
	until time.Time
	note  string
}

// Exited tells the backend what the platform saw of a worker's end. It blocks for
// one exchange, and for another where the platform has refused workers before.
func (s *Scaler) Exited(w provisioner.Worker, e provisioner.Exit) {
	if e.Refused || e.Lived > 0 && e.Lived < shortLife {
		s.rest(w.Pool, e.Note, e.Refused && s.cameSince(w.Pool))
		e.Refused = true // those who wait see why it rests: a program that crashes as it starts
	}
	s.free(w.ID, e)
}

// cameSince reports whether a worker of the pool has come to life since the last refusal. Where
// workers live in other processes only the backend knows: their first claims clear the
// note that the refusal left. Where it cannot be asked, none has.
func (s *Scaler) cameSince(pool string) bool {
	s.mu.Lock()
	r, now := s.refused[pool], time.Now()
	s.mu.Unlock()
	if r.times == 0 || now.Before(r.until) {
		return false // it makes no difference
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Sweep)
	defer cancel()
	infos, err := s.Store.Pools(ctx)
	if err != nil {
		return false
	}
	for _, p := range infos {
		if p.Spec.Name == pool {
			return p.Blocked == ""
		}
	}
	return false
}

// rest notes that the platform refused a worker of the pool: its demand rests for a
// while, longer each time. first says that it is not in a row with those before.
func (s *Scaler) rest(pool, note string, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, now := s.refused[pool], time.Now()
	r.note = note
	if now.Before(r.until) { // launched before the rest began, so it is of the same refusal
		s.refused[pool] = r
		return
	}
	if first || now.Sub(r.until) > forgetAfter {
		r.times = 0
	}
	r.times++
	r.until = now.Add(min(firstRetry<<min(r.times-1, 10), lastRetry))
	s.refused[pool] = r
}

// Served notes that a worker of the pool has come to life in this process.
func (s *Scaler) Served(pool string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) > 0 {
		delete(s.refused, pool)
	}
}
