package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cschleiden/go-workflows/backend"
	workflowredis "github.com/cschleiden/go-workflows/backend/redis"
	"github.com/cschleiden/go-workflows/client"
	"github.com/cschleiden/go-workflows/worker"
	"github.com/cschleiden/go-workflows/workflow"
	"github.com/redis/go-redis/v9"
)

const (
	workflowModule = "github.com/cschleiden/go-workflows"
	// workflowPollers is how many goroutines wait for workflows in blocking reads, and as
	// many for activities: each takes one at a time, in five exchanges. With the default of 2
	// throughput is half of this.
	workflowPollers = 48
	workflowWidth   = 32 // callers of a batch: go-workflows starts one instance at a time
)

var workflowDriver = driver{
	name: "go-workflows", module: workflowModule, needs: redisServer, handsOver: true,
	open: func(ctx context.Context, s *servers) (peer, error) { return openWorkflows(ctx, s, echoWorkflow) },
	traits: traits{
		settings:   fmt.Sprintf("%d pollers, PollingInterval 0, a workflow without activities", workflowPollers),
		end:        "client.GetWorkflowResult: asks after 1 ms, then 1.5 times later each time",
		durability: "history in Redis until removed", result: "typed by the caller, from the history",
		retries:      "replayed after a lost worker; no retries of a workflow that fails",
		cancellation: "workflow context, stored", fencing: "none: a completion is not checked for its owner",
	},
}

var activityDriver = driver{
	name: "go-workflows, activity", module: workflowModule, needs: redisServer, handsOver: true,
	open: func(ctx context.Context, s *servers) (peer, error) { return openWorkflows(ctx, s, activityWorkflow) },
	traits: traits{
		settings: "as go-workflows; the work is an activity, as whatever has side effects must be",
		end:      "as go-workflows", durability: "history in Redis until removed",
		result: "typed by the caller, from the history", retries: "3 of the activity, by option",
		cancellation: "workflow context, stored; a running activity is not reached",
		fencing:      "none: a completion is not checked for its owner",
	},
}

func echoWorkflow(_ workflow.Context, in number) (number, error) { return in, nil }

func echoActivity(_ context.Context, in number) (number, error) { return in, nil }

func activityWorkflow(ctx workflow.Context, in number) (number, error) {
	return workflow.ExecuteActivity[number](ctx, workflow.DefaultActivityOptions, echoActivity, in).Get(ctx)
}

type workflowsPeer struct {
	rdb    *redis.Client
	client *client.Client
	worker *worker.Worker
	stop   context.CancelFunc
	entry  func(workflow.Context, number) (number, error)
	last   atomic.Uint64
	prefix string
}

func openWorkflows(ctx context.Context, s *servers, entry func(workflow.Context, number) (number, error)) (peer, error) {
	rdb, err := s.redis(2*workflowPollers + 4*callers)
	if err != nil {
		return nil, err
	}
	b, err := workflowredis.NewRedisBackend(rdb,
		// Short, because a poller that waits is not interrupted when the worker stops.
		workflowredis.WithBlockTimeout(time.Second),
		workflowredis.WithBackendOptions(backend.WithLogger(slog.New(slog.DiscardHandler))),
	)
	if err != nil {
		return nil, errors.Join(err, rdb.Close())
	}
	options := worker.DefaultOptions
	options.WorkflowPollers, options.ActivityPollers = workflowPollers, workflowPollers
	options.WorkflowPollingInterval, options.ActivityPollingInterval = 0, 0
	w := worker.New(b, &options)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &workflowsPeer{rdb: rdb, client: client.New(b), worker: w, stop: stop, entry: entry}
	p.prefix = fmt.Sprintf("w%d-", time.Now().UnixNano())
	err = errors.Join(w.RegisterWorkflow(echoWorkflow), w.RegisterWorkflow(activityWorkflow), w.RegisterActivity(echoActivity))
	if err == nil {
		err = w.Start(run)
	}
	if err != nil {
		stop()
		return nil, errors.Join(err, rdb.Close())
	}
	return p, nil
}

func (p *workflowsPeer) do(ctx context.Context, n int) (int, error) {
	id := fmt.Sprint(p.prefix, p.last.Add(1))
	instance, err := p.client.CreateWorkflowInstance(ctx, client.WorkflowInstanceOptions{InstanceID: id}, p.entry, number{n})
	if err != nil {
		return 0, err
	}
	out, err := client.GetWorkflowResult[number](ctx, p.client, instance, endTime)
	return out.N, err
}

func (p *workflowsPeer) batch(ctx context.Context, n int) error {
	instances := make([]*workflow.Instance, n)
	err := fan(ctx, workflowWidth, n, func(ctx context.Context, i int) (err error) {
		instances[i], err = p.client.CreateWorkflowInstance(ctx,
			client.WorkflowInstanceOptions{InstanceID: fmt.Sprint(p.prefix, p.last.Add(1))}, p.entry, number{i})
		return err
	})
	if err != nil {
		return err
	}
	return fanDo(ctx, workflowWidth, n, func(ctx context.Context, i int) (int, error) {
		out, err := client.GetWorkflowResult[number](ctx, p.client, instances[i], endTime)
		return out.N, err
	})
}

func (p *workflowsPeer) close(context.Context) error {
	p.stop()
	return errors.Join(p.worker.WaitForCompletion(), p.rdb.Close())
}
