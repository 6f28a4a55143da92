package worker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// tap lets a test have its say before every settlement, and after an exchange.
type tap struct {
	ending    func(ends []backend.Settlement) error // by an exchange or a Settle
	exchanged func() error
	ends      log[[]string] // of each exchange or Settle: the outcomes and tasks
	sizes     log[[2]int]   // Max and Bundle of the claims
	got       log[int]      // how many tasks the claims got that had to wait
}

// tapped is the claim of an exchange that waits.
type tapped struct {
	backend.Claiming
	*tap
}

func (c tapped) Wait(ctx context.Context) ([]backend.Assignment, error) {
	as, err := c.Claiming.Wait(ctx)
	c.got.add(len(as))
	return as, err
}

// exchanging is a faulty store that settles and claims in one exchange.
type exchanging struct {
	*faulty
	*tap
	inner backend.Exchanger
}

func (e *tap) note(ends []backend.Settlement) error {
	var all []string
	for _, s := range ends {
		all = append(all, map[backend.Outcome]string{
			backend.Succeeded: "", backend.Failed: "failed ", backend.Released: "released ",
		}[s.Outcome]+s.Lease.Task)
	}
	e.ends.add(all)
	if e.ending != nil {
		return e.ending(ends)
	}
	return nil
}

func (e *exchanging) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	if err := e.note(ends); err != nil {
		return nil, err
	}
	return e.faulty.Settle(ctx, ends)
}

func (e *exchanging) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (backend.Exchanged, error) {
	e.sizes.add([2]int{req.Max, req.Bundle})
	if err := e.note(ends); err != nil {
		return backend.Exchanged{}, err
	}
	x, err := e.inner.Exchange(ctx, ends, req)
	if err == nil && e.exchanged != nil {
		if err := e.exchanged(); err != nil {
			(&nextClaim{sent: true, got: x}).giveUp()
			return backend.Exchanged{}, err
		}
	}
	if x.Claim != nil {
		x.Claim = tapped{x.Claim, e.tap}
	}
	return x, err
}

// batchRig is a rig with one function, f, whose worker claims several calls at once. The
// handler takes as long as the call's name says, unless its context ends before: "a" no
// time, "b 3ms" three milliseconds.
type batchRig struct {
	*rig
	*tap
	ran  log[string]        // what handlers were called for
	acts map[string]handler // what is to be done for a call instead
}

func newBatchRig(t *testing.T, workers int, sets ...func(*Pool)) *batchRig {
	t.Helper()
	b := &batchRig{tap: new(tap), acts: make(map[string]handler)}
	pool := calls("f", workers, b.handle)
	for _, set := range sets {
		set(pool)
	}
	b.rig = newRig(t, pool)
	store := &exchanging{faulty: b.faulty, tap: b.tap, inner: b.faulty.Store.(backend.Exchanger)}
	b.Process.Config.Store, b.exchanger = store, store
	// The first call's worker claims one, and, because that took no time, several from then on.
	b.start("f", "warm")
	require.Equal(t, "SUCCEEDED warm", b.result("warm"))
	require.Equal(t, [][2]int{{maxBatch, maxBatch}}, b.sizes.entries())
	b.ran.all, b.ends.all, b.sizes.all = nil, nil, nil
	return b
}

var errStopped = errors.New("was told to stop")

func (b *batchRig) handle(a *Attempt) ([]byte, error) {
	b.ran.add(a.Lease.Task)
	if act := b.acts[a.Lease.Task]; act != nil {
		return act(a)
	}
	if _, length, ok := strings.Cut(a.Lease.Task, " "); ok {
		d, err := time.ParseDuration(length)
		if err != nil {
			return nil, err
		}
		select {
		case <-time.After(d):
		case <-a.Context().Done():
			return nil, errStopped
		}
	}
	return echo(a)
}

// hand submits calls together: a worker that waits gets them all.
func (b *batchRig) hand(ids ...string) {
	b.t.Helper()
	subs := make([]backend.Submission, len(ids))
	for i, id := range ids {
		subs[i] = backend.Submission{ID: id, Pool: "f", Kind: backend.Function}
	}
	_, err := b.Submit(context.Background(), "me", subs)
	require.NoError(b.t, err)
}

// batch hands over calls and lets the worker begin.
func (b *batchRig) batch(ids ...string) {
	b.t.Helper()
	b.hand(ids...)
	synctest.Wait()
	got := b.got.entries()
	require.Equal(b.t, len(ids), got[len(got)-1], "handed over together")
}

// succeed checks that calls ended well, in their first attempt.
func (b *batchRig) succeed(ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		require.Equal(b.t, "SUCCEEDED "+id, b.result(id))
		b.rig.mu.Lock()
		attempt := b.results[id].Attempt
		b.rig.mu.Unlock()
		require.Equal(b.t, 1, attempt, "attempts of %s", id)
	}
}

// pending checks that calls wait, uncharged.
func (b *batchRig) pending(ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		require.Equal(b.t, "none", b.result(id))
		task := b.task(id)
		require.Equal(b.t, backend.StatusPending, task.Status, id)
		require.Zero(b.t, task.Attempt+task.Crashes+task.Errors, id)
	}
}

// attemptOf is the attempt at a call that the process has leased.
func (b *batchRig) attemptOf(id string) *Attempt {
	b.t.Helper()
	for _, a := range b.running() {
		if a.Lease.Task == id {
			return a
		}
	}
	b.t.Fatalf("no attempt at %s", id)
	return nil
}
