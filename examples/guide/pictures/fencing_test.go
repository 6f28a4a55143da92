package pictures

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// fencingRun is two runs that hold the same lock after each other, while the first one's
// process is paused and knows nothing of its loss.
type fencingRun struct {
	lost   time.Duration // the first run has ended
	second time.Duration // the other has the lock
	writes []write       // to the guarded resource
}

type write struct {
	at       time.Duration
	token    uint64
	accepted bool
}

// table is a resource that remembers the highest token it has seen.
type table struct {
	mu      sync.Mutex
	highest uint64
	writes  []write
}

func (r *table) write(at time.Duration, token uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := token >= r.highest
	r.highest = max(r.highest, token)
	r.writes = append(r.writes, write{at, token, ok})
	return ok
}

func runFencing(t *testing.T) (r fencingRun) {
	synctest.Test(t, func(t *testing.T) {
		begun := clock(time.Now())
		var guarded table
		done := make(chan struct{}, 2)
		job := mn.NewJob("migrate", func(ctx context.Context, pause time.Duration, _ func(int) bool) error {
			token := mn.FencingToken(ctx)
			guarded.write(begun.now(), token)
			spend(context.Background(), pause) // the whole process stands still, say
			guarded.write(begun.now(), token)
			done <- struct{}{}
			return nil
		})
		store := memory.New()
		cut := &tap{Backend: store, down: func() bool { return begun.now() > time.Second }}
		paused := mntest.NewWith(t, mn.Config{Backend: cut, Definitions: []mn.Definition{job}})
		first, err := job.On(paused).Start(bounded(t), 35*time.Second, mn.WithLock("table/users"))
		require.NoError(t, err)
		spend(bounded(t), time.Second)
		other := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}})
		_, err = job.On(other).Wait(bounded(t), first)
		require.ErrorIs(t, err, mn.ErrWorkerLost)
		r.lost = begun.now()
		spend(bounded(t), 24*time.Second-r.lost)
		r.second = begun.now()
		_, err = job.On(other).Start(bounded(t), 4*time.Second, mn.WithLock("table/users"))
		require.NoError(t, err)
		<-done
		<-done
		r.writes = guarded.writes
	})
	require.GreaterOrEqual(t, r.lost, 20*time.Second)
	require.LessOrEqual(t, r.lost, 22*time.Second) // when exactly is chance: the picture shows the span
	require.Len(t, r.writes, 4)
	return r
}

func drawFencing(r fencingRun) string {
	c := newCanvas("A fencing token", "A run holds a lock and its process is paused. After 20 to 22 seconds it is lost and the lock is "+
		"free; another run takes the lock with a higher token and writes. When the first process wakes up, its write with the lower token is refused.")
	s := scale{c, 120, 730, 40 * time.Second}
	c.text(20, 30, "head", "A lock as strong as a lease, and the token that makes up the rest")
	s.axis(250, 50, 5*time.Second, seconds)
	c.text(20, 79, "strong", "run 1")
	s.bar(0, 20*time.Second, 60, 30, "violet", fmt.Sprintf("holds table/users: token %d", r.writes[0].token))
	c.rect(s.x(20*time.Second), 60, s.x(22*time.Second)-s.x(20*time.Second), 30, 0, "red")
	c.rect(s.x(22*time.Second), 60, s.x(35*time.Second)-s.x(22*time.Second), 30, 4, "grey dash")
	c.middle(s.x(28500*time.Millisecond), 79, "dim", "paused, knows nothing")
	c.middle(s.x(21*time.Second), 108, "small c-red", "FAILED (worker lost): the lock is free")
	c.text(20, 147, "strong", "run 2")
	s.bar(r.second, r.writes[2].at, 128, 30, "violet", fmt.Sprintf("token %d", r.writes[1].token))
	c.text(20, 212, "strong", "the table")
	c.text(20, 228, "small dim", "checks tokens")
	c.line(s.x0, 208, s.x1, 208, "thin")
	for _, w := range r.writes {
		x, colour, top := s.x(w.at), "green", 90.0
		if w.token == r.writes[1].token {
			top = 158
		}
		if !w.accepted {
			colour = "red"
		}
		c.arrow(x, top, x, 197, colour, "")
		if w.accepted {
			c.dot(x, 208, 10, "green")
			c.middle(x, 212.5, "small strong", fmt.Sprint(w.token))
			continue
		}
		c.cross(x, 208, 7, "s-red")
		c.middle(x, 238, "small c-red", fmt.Sprintf("%d is below %d: refused", w.token, r.writes[1].token))
	}
	c.text(s.x(r.writes[0].at)+16, 238, "small dim", "writes, with their tokens")
	return c.svg(282)
}
