package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	riverModule = "github.com/riverqueue/river"
	riverPool   = 16
	// riverPoll is how long River waits at most for a job whose notification was left
	// out: it sends one in each FetchCooldown, which is 1 ms at least. Shorter waits did
	// not make it faster, nor did longer cooldowns or more connections.
	riverPoll    = 20 * time.Millisecond
	riverWorkers = 200
	riverChannel = "peers_answers"
)

var riverDriver = driver{
	name: "River", module: riverModule, needs: postgresServer, open: openRiver, handsOver: true,
	traits: traits{
		settings:   fmt.Sprintf("FetchCooldown 1 ms (its least), FetchPollInterval %s, MaxWorkers %d, pool of %d; batch: InsertManyFast", riverPoll, riverWorkers, riverPool),
		end:        "River has none across processes: the handler sends the answer by NOTIFY, the caller LISTENs",
		durability: "job row in PostgreSQL; the answer comes before its completion is recorded",
		result:     "none of River's", retries: "25, backing off",
		cancellation: "reaches the handler's context, stored", fencing: "an end counts while the job runs, whoever sends it",
	},
}

var riverEventsDriver = driver{
	name: "River, own events", module: riverModule, needs: postgresServer, open: openRiverEvents, handsOver: true,
	traits: traits{
		settings:   "as River",
		end:        "Client.Subscribe, which hears of jobs of its own process: when a batch of ends is recorded, each 250 ms or 100 jobs",
		durability: "job row in PostgreSQL, with its output", result: "RecordOutput, from the record",
		retries: "25, backing off", cancellation: "reaches the handler's context, stored",
		fencing: "an end counts while the job runs, whoever sends it",
	},
}

// riverArgs is a job.
type riverArgs struct{ ticket }

func (riverArgs) Kind() string { return "echo" }

// riverWorker does jobs by a function.
type riverWorker struct {
	river.WorkerDefaults[riverArgs]
	work func(ctx context.Context, t ticket) error
}

func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	return w.work(ctx, job.Args.ticket)
}

type riverPeer struct {
	pool    *pgxpool.Pool
	client  *river.Client[pgx.Tx]
	mail    *mailbox
	cleanup []func()
}

func newRiver(ctx context.Context, s *servers, work func(*pgxpool.Pool) func(context.Context, ticket) error) (*riverPeer, error) {
	pool, err := s.postgres(ctx, "river", riverPool)
	if err != nil {
		return nil, err
	}
	p := &riverPeer{pool: pool, mail: newMailbox()}
	driver := riverpgxv5.New(pool)
	logger := slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: logger})
	if err == nil {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{work: work(pool)})
	p.client, err = river.NewClient(driver, &river.Config{
		FetchCooldown: river.FetchCooldownMin, FetchPollInterval: riverPoll, Logger: logger,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
		Workers: workers,
	})
	if err == nil {
		err = p.client.Start(context.WithoutCancel(ctx))
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return p, nil
}

func (p *riverPeer) do(ctx context.Context, n int) (int, error) {
	return p.mail.await(ctx, n, func(t ticket) error {
		_, err := p.client.Insert(ctx, riverArgs{t}, nil)
		return err
	})
}

func (p *riverPeer) batch(ctx context.Context, n int) error {
	return p.mail.awaitAll(ctx, n, func(ts []ticket) error {
		jobs := make([]river.InsertManyParams, n)
		for i, t := range ts {
			jobs[i].Args = riverArgs{t}
		}
		_, err := p.client.InsertManyFast(ctx, jobs)
		return err
	})
}

func (p *riverPeer) close(ctx context.Context) error {
	err := p.client.Stop(ctx)
	for _, f := range p.cleanup {
		f()
	}
	p.pool.Close()
	return err
}

func openRiver(ctx context.Context, s *servers) (peer, error) {
	var answers *outbox
	p, err := newRiver(ctx, s, func(pool *pgxpool.Pool) func(context.Context, ticket) error {
		answers = newOutbox(func(ctx context.Context, message []byte) error {
			_, err := pool.Exec(ctx, "SELECT pg_notify($1, $2)", riverChannel, string(message))
			return err
		})
		return answers.put
	})
	if err != nil {
		return nil, err
	}
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, errors.Join(err, p.close(ctx))
	}
	if _, err := conn.Exec(ctx, "LISTEN "+riverChannel); err != nil {
		conn.Release()
		return nil, errors.Join(err, p.close(ctx))
	}
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for {
			note, err := conn.Conn().WaitForNotification(listening)
			if err != nil || p.mail.deliverAll([]byte(note.Payload)) != nil {
				return
			}
		}
	}()
	p.cleanup = append(p.cleanup, answers.close, stop, func() { <-heard }, conn.Release)
	return p, nil
}

func openRiverEvents(ctx context.Context, s *servers) (peer, error) {
	p, err := newRiver(ctx, s, func(*pgxpool.Pool) func(context.Context, ticket) error {
		return func(ctx context.Context, t ticket) error { return river.RecordOutput(ctx, t) }
	})
	if err != nil {
		return nil, err
	}
	// Room for a whole batch: events that find none are dropped.
	events, cancel := p.client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: 200_000, Kinds: []river.EventKind{river.EventKindJobCompleted},
	})
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for e := range events {
			if p.mail.deliverAll(fmt.Appendf(nil, "[%s]", e.Job.Output())) != nil {
				return
			}
		}
	}()
	p.cleanup = append(p.cleanup, cancel, func() { <-heard })
	return p, nil
}
