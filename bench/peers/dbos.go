package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	dbosModule = "github.com/dbos-inc/dbos-transact-golang"
	dbosPool   = 10
	dbosPoll   = 2 * time.Millisecond
	dbosWidth  = 32 // callers of a batch: DBOS starts one workflow at a time
	dbosQueue  = "peers"
)

var dbosQueueDriver = driver{
	name: "DBOS, queue", module: dbosModule, needs: postgresServer, handsOver: true,
	open: func(ctx context.Context, s *servers) (peer, error) { return openDBOS(ctx, s, true) },
	traits: traits{
		settings:   fmt.Sprintf("WithQueueBasePollingInterval %s, no concurrency limits, pool of %d, a workflow without steps", dbosPoll, dbosPool),
		end:        fmt.Sprintf("GetResult with WithHandlePollingInterval %s", time.Millisecond),
		durability: "workflow row in PostgreSQL until removed", result: "typed, from the record",
		retries: "recovered from the last step after a crash; steps by option", cancellation: "at the next step, stored",
		fencing: "owner is checked in every write",
	},
}

var dbosDirectDriver = driver{
	name: "DBOS, direct", module: dbosModule, needs: postgresServer,
	open: func(ctx context.Context, s *servers) (peer, error) { return openDBOS(ctx, s, false) },
	traits: traits{
		settings:   fmt.Sprintf("pool of %d, a workflow without steps", dbosPool),
		end:        "by a channel: the workflow runs on a goroutine of its caller's process, nothing is handed over",
		durability: "workflow row in PostgreSQL until removed", result: "typed, from memory, when it is recorded",
		retries: "recovered from the last step after a crash; steps by option", cancellation: "at the next step, stored",
		fencing: "owner is checked in every write",
	},
}

type dbosPeer struct {
	pool    *pgxpool.Pool
	dbos    dbos.Context
	options []dbos.WorkflowOption
}

func dbosEcho(_ dbos.Context, in number) (number, error) { return in, nil }

func openDBOS(ctx context.Context, s *servers, queued bool) (peer, error) {
	database := "dbos" // a queue is stored, and polled by every process of its database
	if queued {
		database = "dbos_queue"
	}
	pool, err := s.postgres(ctx, database, dbosPool)
	if err != nil {
		return nil, err
	}
	p := &dbosPeer{pool: pool}
	p.dbos, err = dbos.NewContext(context.WithoutCancel(ctx), dbos.Config{
		AppName: "peers", SystemDBPool: pool, ApplicationVersion: "peers", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	dbos.RegisterWorkflow(p.dbos, dbosEcho)
	if err := p.launch(queued); err != nil {
		return nil, errors.Join(err, p.close(ctx))
	}
	return p, nil
}

func (p *dbosPeer) launch(queued bool) error {
	if err := dbos.Launch(p.dbos); err != nil || !queued {
		return err
	}
	queue, err := dbos.RegisterQueue(p.dbos, dbosQueue, dbos.WithQueueBasePollingInterval(dbosPoll), dbos.WithQueueOnConflict(dbos.QueueConflictAlwaysUpdate))
	if err != nil {
		return err
	}
	p.options = []dbos.WorkflowOption{dbos.WithQueue(queue)}
	return nil
}

func (p *dbosPeer) start(n int) (dbos.WorkflowHandle[number], error) {
	return dbos.RunWorkflow(p.dbos, dbosEcho, number{n}, p.options...)
}

func dbosResult(ctx context.Context, h dbos.WorkflowHandle[number]) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	out, err := h.GetResult(dbos.WithHandlePollingInterval(time.Millisecond), dbos.WithHandleTimeout(endTime))
	return out.N, err
}

func (p *dbosPeer) do(ctx context.Context, n int) (int, error) {
	h, err := p.start(n)
	if err != nil {
		return 0, err
	}
	return dbosResult(ctx, h)
}

func (p *dbosPeer) batch(ctx context.Context, n int) error {
	handles := make([]dbos.WorkflowHandle[number], n)
	err := fan(ctx, dbosWidth, n, func(_ context.Context, i int) (err error) {
		handles[i], err = p.start(i)
		return err
	})
	if err != nil {
		return err
	}
	return fanDo(ctx, callers, n, func(ctx context.Context, i int) (int, error) { return dbosResult(ctx, handles[i]) })
}

func (p *dbosPeer) close(context.Context) error {
	err := dbos.Shutdown(p.dbos, 10*time.Second)
	p.pool.Close()
	return err
}
