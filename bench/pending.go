package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/multinode/mn/backend"
)

// pendingCalls is how many calls wait while their size is taken, and pendingBatch how many
// are submitted at a time, as a Map does.
const (
	pendingCalls = 20_000
	pendingBatch = 100
)

// pendingSize submits calls that nobody executes and returns how many bytes each takes. The
// place forgets them with their session.
func (b *bench) pendingSize(ctx context.Context, _ time.Duration) (size float64, err error) {
	store := b.medium.backend.Namespace("pending")
	session := backend.Session{
		ID: "b54ac1f0-1a7b-4b0e-9a3e-0d6f3c2f8f11", Lease: time.Minute, Margin: time.Minute, // it sends no heartbeats
		Pools: []backend.PoolSpec{{Name: "noop", Kind: backend.Function, MaxWorkers: callers}},
	}
	before, err := b.medium.used()
	if err != nil {
		return 0, err
	}
	if err := store.Join(ctx, session, deaf{}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Leave(context.WithoutCancel(ctx), session.ID)) }()
	for n := 0; n < pendingCalls; n += pendingBatch {
		subs := make([]backend.Submission, pendingBatch)
		for i := range subs {
			input, err := json.Marshal(number{n + i})
			if err != nil {
				return 0, err
			}
			subs[i] = backend.Submission{
				ID: session.ID + "." + strconv.FormatInt(int64(n+i), 36), Kind: backend.Function, Pool: "noop", Input: input,
			}
		}
		answers, err := store.Submit(ctx, session.ID, subs)
		if err != nil {
			return 0, err
		}
		for _, a := range answers {
			if a.Err != nil {
				return 0, fmt.Errorf("pending: %w", a.Err)
			}
		}
	}
	after, err := b.medium.used()
	return (float64(after) - float64(before)) / pendingCalls, err
}
