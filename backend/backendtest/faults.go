package backendtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
)

// The errors of a faulty exchange. Callers are to treat both alike: they cannot know.
var (
	// ErrReplyLost: the step was done and its answer lost.
	ErrReplyLost = errors.New("backendtest: the reply was lost")
	// ErrNotSent: the step was not done.
	ErrNotSent = errors.New("backendtest: the request was lost")
)

// Faults says how often what goes wrong. All but the last four are probabilities from
// 0 to 1; of the first three at most one befalls an exchange.
type Faults struct {
	FailBefore    float64 // the step is not done: ErrNotSent
	LoseReply     float64 // the step is done, and its answer lost: ErrReplyLost
	Repeat        float64 // the step is done twice, and the second answer returned; never Append and Report
	Delay         float64 // the step waits for up to MaxDelay
	DropHeartbeat float64 // a heartbeat is answered as if all was well, and not forwarded
	DropHint      float64 // a Cancel, Demand or Kill is not delivered
	RepeatResult  float64 // a Result is delivered twice

	MaxDelay time.Duration
	Methods  []string // only these methods of Store; nil: all
	Limit    int      // only so many failures, lost replies and repeats; 0: no limit
	Seed     uint64   // of the random numbers that decide
}

// Faulty returns a backend that does what inner does, unreliably. What is random is
// drawn in the order of the exchanges, so a single goroutine sees the same faults for
// the same seed.
func Faulty(inner backend.Backend, plan Faults) backend.Backend {
	return &faulty{inner, &dice{plan: plan, rand: rand.New(rand.NewPCG(plan.Seed, 0))}}
}

type faulty struct {
	inner backend.Backend
	*dice
}

// Namespace implements [backend.Backend].
func (f *faulty) Namespace(name string) backend.Store {
	s := &faultyStore{f.inner.Namespace(name), f.dice}
	if x, ok := s.Store.(backend.Exchanger); ok {
		return &faultyExchanger{s, x}
	}
	return s
}

// dice decides what goes wrong.
type dice struct {
	plan Faults

	mu     sync.Mutex
	rand   *rand.Rand
	faults int
}

func (d *dice) chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.Float64() < p
}

// fault is what goes wrong with an exchange.
type fault int

const (
	none fault = iota
	notSent
	replyLost
	twice
)

func (d *dice) draw(method string) (fault, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &d.plan
	if p.Methods != nil && !slices.Contains(p.Methods, method) {
		return none, 0
	}
	var delay time.Duration
	if x := d.rand.Float64(); x < p.Delay && p.MaxDelay > 0 {
		delay = time.Duration(d.rand.Int64N(int64(p.MaxDelay)))
	}
	x := d.rand.Float64()
	if x >= p.FailBefore+p.LoseReply+p.Repeat || p.Limit > 0 && d.faults >= p.Limit {
		return none, delay
	}
	d.faults++
	switch {
	case x < p.FailBefore:
		return notSent, delay
	case x < p.FailBefore+p.LoseReply:
		return replyLost, delay
	}
	return twice, delay
}

// exchange does a step with what goes wrong with it.
func exchange[T any](ctx context.Context, d *dice, method string, step func() (T, error)) (T, error) {
	fault, delay := d.draw(method)
	return suffer(ctx, fault, delay, step)
}

// once is exchange for a step that only has an error and must not be done twice.
func once(ctx context.Context, d *dice, method string, step func() error) error {
	fault, delay := d.draw(method)
	if fault == twice {
		fault = none
	}
	_, err := suffer(ctx, fault, delay, func() (nothing, error) { return nothing{}, step() })
	return err
}

// suffer does a step with a fault after a delay.
func suffer[T any](ctx context.Context, fault fault, delay time.Duration, step func() (T, error)) (answer T, err error) {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
	switch fault {
	case notSent:
		return answer, ErrNotSent
	case replyLost:
		if _, err := step(); ctx.Err() != nil && err != nil {
			return answer, err // the caller gave up before anything could get lost
		}
		return answer, ErrReplyLost
	case twice:
		if answer, err = step(); err != nil && ctx.Err() != nil {
			return answer, err
		}
	}
	return step()
}

// faultyInbox loses hints and repeats results.
type faultyInbox struct {
	to backend.Inbox
	*dice
}

// Results implements [backend.Inbox].
func (i *faultyInbox) Results(rs []backend.Result) {
	i.to.Results(rs)
	if i.chance(i.plan.RepeatResult) {
		i.to.Results(rs)
	}
}

// Cancel implements [backend.Inbox].
func (i *faultyInbox) Cancel(l backend.Lease) {
	if !i.chance(i.plan.DropHint) {
		i.to.Cancel(l)
	}
}

// Demand implements [backend.Inbox].
func (i *faultyInbox) Demand(pool string) {
	if !i.chance(i.plan.DropHint) {
		i.to.Demand(pool)
	}
}

// Kill implements [backend.Inbox].
func (i *faultyInbox) Kill(slot string) {
	if !i.chance(i.plan.DropHint) {
		i.to.Kill(slot)
	}
}
