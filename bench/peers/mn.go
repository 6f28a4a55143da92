package main

import (
	"context"
	"errors"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
)

const mnModule = "github.com/multinode/mn"

var mnDriver = driver{
	name: "mn", module: mnModule, needs: redisServer, open: openCall, handsOver: true,
	traits: traits{
		settings: "MaxWorkers(16)", end: "the result comes to the caller's session, when it is recorded",
		durability: "call and input in Redis until the result is acknowledged",
		result:     "typed, from the record", retries: "3 after lost workers, more by option",
		cancellation: "reaches the handler, stored", fencing: "lease of epoch and nonce, checked in every write",
	},
}

var mnJobDriver = driver{
	name: "mn, job", module: mnModule, needs: redisServer, open: openJob, handsOver: true,
	traits: traits{
		settings: "none", end: "Wait: by a notification, then the record",
		durability: "run, yields and end in Redis until removed",
		result:     "typed, from the record", retries: "by option, from the last yield",
		cancellation: "reaches the handler, stored", fencing: "lease of epoch and nonce, checked in every write",
	},
}

// mnPeer is an app with the function and the job.
type mnPeer struct {
	backend *redis.Backend
	app     *mn.App
	echo    *mn.Function[number, number]
	run     *mn.Job[number, number]
}

func openMN(ctx context.Context, s *servers) (*mnPeer, error) {
	b, err := redis.Open(ctx, s.redisURL, redis.Options{})
	if err != nil {
		return nil, err
	}
	echo := mn.NewFunction("echo", func(_ context.Context, in number) (number, error) { return in, nil }, mn.MaxWorkers(callers))
	run := mn.NewJob("run", func(_ context.Context, in number, yield func(number) bool) error {
		yield(in)
		return nil
	})
	app, err := mn.New(mn.Config{Name: "peers", Backend: b, Definitions: []mn.Definition{echo, run}})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &mnPeer{b, app, echo.On(app), run.On(app)}, nil
}

func (p *mnPeer) close(ctx context.Context) error {
	return errors.Join(p.app.Shutdown(ctx), p.backend.Close())
}

// mnCalls measures the function.
type mnCalls struct{ *mnPeer }

func openCall(ctx context.Context, s *servers) (peer, error) {
	p, err := openMN(ctx, s)
	return mnCalls{p}, err
}

func (p mnCalls) do(ctx context.Context, n int) (int, error) {
	out, err := p.echo.Call(ctx, number{n})
	return out.N, err
}

func (p mnCalls) batch(ctx context.Context, n int) error {
	inputs := func(yield func(number) bool) {
		for i := range n {
			if !yield(number{i}) {
				return
			}
		}
	}
	next := 0
	for out, err := range p.echo.Map(ctx, inputs) {
		if err != nil {
			return err
		}
		if out.N != next {
			return errWrongAnswer
		}
		next++
	}
	if next != n {
		return errWrongAnswer
	}
	return nil
}

// mnJobs measures the job.
type mnJobs struct{ *mnPeer }

func openJob(ctx context.Context, s *servers) (peer, error) {
	p, err := openMN(ctx, s)
	return mnJobs{p}, err
}

func (p mnJobs) do(ctx context.Context, n int) (int, error) {
	id, err := p.run.Start(ctx, number{n})
	if err != nil {
		return 0, err
	}
	out, err := p.run.Wait(ctx, id)
	return out.N, err
}

func (p mnJobs) batch(ctx context.Context, n int) error { return fanDo(ctx, 4*callers, n, p.do) }
