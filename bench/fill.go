package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/multinode/mn/backend"
)

// fillBatch is how many jobs are under way at a time while they are stored.
const fillBatch = 64

// filler stores finished jobs as apps do, submit, claim and settle, but in batches
// and without handlers.
type filler struct {
	store   backend.Store
	session backend.Session
	slots   []backend.Slot
	op      uint64
}

// fill stores n finished jobs of the pool, each with an input and one yield, and
// calls each with their IDs in the order of the starts. No app may have joined yet.
func fill(ctx context.Context, store backend.Store, pool string, n int, each func(id string)) (err error) {
	f := &filler{store: store, session: backend.Session{
		ID: "filler", Launches: true,
		Lease: time.Hour, Margin: time.Minute, Starting: time.Hour, // it sends no heartbeats
		Pools: []backend.PoolSpec{{Name: pool, Kind: backend.Job, MaxWorkers: fillBatch}},
	}}
	if err := store.Join(ctx, f.session, deaf{}); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	defer func() { err = errors.Join(err, store.Leave(context.WithoutCancel(ctx), f.session.ID)) }()
	for left := n; left > 0; left -= fillBatch {
		if err := f.batch(ctx, pool, min(left, fillBatch), each); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	return nil
}

// batch submits n jobs and brings them to their end.
func (f *filler) batch(ctx context.Context, pool string, n int, each func(id string)) error {
	subs := make([]backend.Submission, n)
	for i := range subs {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		subs[i] = backend.Submission{ID: id.String(), Kind: backend.Job, Pool: pool}
		if subs[i].Input, err = json.Marshal(number{i}); err != nil {
			return err
		}
		each(subs[i].ID)
	}
	answers, err := f.store.Submit(ctx, f.session.ID, subs)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.Err != nil {
			return a.Err
		}
		if a.Slot.ID != "" {
			f.slots = append(f.slots, a.Slot)
		}
	}
	return f.finish(ctx, n)
}

// finish claims n jobs and ends them.
func (f *filler) finish(ctx context.Context, n int) error {
	if len(f.slots) == 0 {
		return errors.New("no worker slot was reserved")
	}
	for n > 0 {
		ends := make([]backend.Settlement, min(n, len(f.slots)))
		for i := range ends {
			f.op++
			as, err := f.store.Claim(ctx, backend.ClaimRequest{
				Slot: f.slots[i].ID, Session: f.session.ID, Op: f.op, Cooldown: time.Hour,
			})
			if err != nil {
				return err
			}
			data, err := json.Marshal(number{i})
			if err != nil {
				return err
			}
			ends[i] = backend.Settlement{
				Lease: as[0].Lease, Outcome: backend.Succeeded, Yields: []backend.Yield{{Number: 1, Data: data}},
			}
		}
		settled, err := f.store.Settle(ctx, ends)
		if err != nil {
			return err
		}
		for _, s := range settled {
			if s.Err != nil || s.Status != backend.StatusSucceeded {
				return fmt.Errorf("a job ended %s: %w", s.Status, s.Err)
			}
		}
		n -= len(ends)
	}
	return nil
}

// deaf is the inbox of the filler, which nobody needs to tell anything.
type deaf struct{}

func (deaf) Results([]backend.Result) {}
func (deaf) Cancel(backend.Lease)     {}
func (deaf) Demand(string)            {}
func (deaf) Kill(string)              {}
