package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const (
	asynqModule = "github.com/hibiken/asynq"
	// asynqCheck is how long a server with nothing to do waits before it looks again; asynq
	// has no other way to learn of work. In an idle process Go's timers round what is
	// below a millisecond up to one, so shorter ones than this change nothing.
	asynqCheck = 200 * time.Microsecond
	// asynqServers is how many servers share the queue, because one takes tasks one at a
	// time. Four were no faster than two, one was slower.
	asynqServers     = 2
	asynqConcurrency = 16
	asynqWidth       = 32 // callers of a batch: asynq enqueues one task at a time
	asynqType        = "echo"
	asynqQueue       = "default"
	asynqAnswers     = "answers"
)

var asynqDriver = driver{
	name: "asynq", module: asynqModule, needs: redisServer, open: openAsynq, handsOver: true,
	traits: traits{
		settings:   fmt.Sprintf("TaskCheckInterval %s, %d servers, Concurrency %d each", asynqCheck, asynqServers, asynqConcurrency),
		end:        "asynq has none: the handler pushes the answer to a list, which the caller pops (BRPOP)",
		durability: "task in Redis until it is done; the answer comes before that is recorded",
		result:     "none of asynq's", retries: "25, backing off", cancellation: "best effort by Pub/Sub; not stored",
		fencing: "none: the worker trusts its own clock",
	},
}

var asynqStoredDriver = driver{
	name: "asynq, stored result", module: asynqModule, needs: redisServer, open: openAsynqStored, handsOver: true,
	traits: traits{
		settings:   "as asynq; Retention 1 h",
		end:        fmt.Sprintf("ResultWriter; the caller asks Inspector.GetTaskInfo every %s", asynqAsk),
		durability: "task in Redis, and its result for the retention", result: "bytes, from the record",
		retries: "25, backing off", cancellation: "best effort by Pub/Sub; not stored",
		fencing: "none: the worker trusts its own clock",
	},
}

// asynqPeer is a client and servers.
type asynqPeer struct {
	rdb     *redis.Client
	client  *asynq.Client
	servers []*asynq.Server
	mail    *mailbox
	answers *outbox
	heard   chan struct{}
	pop     *redis.Client
}

// silent is a logger for engines that want one.
type silent struct{}

func (silent) Debug(...any) {}
func (silent) Info(...any)  {}
func (silent) Warn(...any)  {}
func (silent) Error(...any) {}
func (silent) Fatal(...any) {}

func newAsynq(s *servers, handler asynq.HandlerFunc) (*asynqPeer, error) {
	rdb, err := s.redis(callers + asynqServers*asynqConcurrency)
	if err != nil {
		return nil, err
	}
	p := &asynqPeer{rdb: rdb, client: asynq.NewClientFromRedisClient(rdb)}
	for range asynqServers {
		server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Concurrency: asynqConcurrency, TaskCheckInterval: asynqCheck,
			Queues: map[string]int{asynqQueue: 1}, Logger: silent{},
		})
		if err := server.Start(handler); err != nil {
			return nil, errors.Join(err, p.stop())
		}
		p.servers = append(p.servers, server)
	}
	return p, nil
}

func (p *asynqPeer) stop() error {
	for _, server := range p.servers {
		server.Shutdown()
	}
	return p.rdb.Close()
}

func (p *asynqPeer) enqueue(ctx context.Context, work any, opts ...asynq.Option) (*asynq.TaskInfo, error) {
	payload, err := json.Marshal(work)
	if err != nil {
		return nil, err
	}
	return p.client.EnqueueContext(ctx, asynq.NewTask(asynqType, payload), opts...)
}

func openAsynq(_ context.Context, s *servers) (peer, error) {
	mail := newMailbox()
	push, err := s.redis(1)
	if err != nil {
		return nil, err
	}
	answers := newOutbox(func(ctx context.Context, message []byte) error {
		return push.LPush(ctx, asynqAnswers, message).Err()
	})
	p, err := newAsynq(s, func(ctx context.Context, t *asynq.Task) error {
		var in ticket
		if err := json.Unmarshal(t.Payload(), &in); err != nil {
			return err
		}
		return answers.put(ctx, in)
	})
	if err != nil {
		return nil, err
	}
	p.mail, p.answers, p.heard = mail, answers, make(chan struct{})
	if p.pop, err = s.redis(1); err != nil {
		return nil, err
	}
	go p.listen()
	return &asynqPushed{p, push}, nil
}

// listen pops answers until its connection is closed.
func (p *asynqPeer) listen() {
	defer close(p.heard)
	for {
		message, err := p.pop.BRPop(context.Background(), 0, asynqAnswers).Result()
		if err != nil || p.mail.deliverAll([]byte(message[1])) != nil {
			return
		}
	}
}

// asynqPushed gets answers by a list.
type asynqPushed struct {
	*asynqPeer
	push *redis.Client
}

func (p *asynqPushed) submit(ctx context.Context, t ticket) error {
	_, err := p.enqueue(ctx, t)
	return err
}

func (p *asynqPushed) do(ctx context.Context, n int) (int, error) {
	return p.mail.await(ctx, n, func(t ticket) error { return p.submit(ctx, t) })
}

func (p *asynqPushed) batch(ctx context.Context, n int) error {
	return p.mail.awaitAll(ctx, n, func(ts []ticket) error {
		return fan(ctx, asynqWidth, n, func(ctx context.Context, i int) error { return p.submit(ctx, ts[i]) })
	})
}

func (p *asynqPushed) close(context.Context) error {
	err := p.stop()
	p.answers.close()
	err = errors.Join(err, p.pop.Close(), p.push.Close())
	<-p.heard
	return err
}

// asynqAsk is how long a caller waits before it asks for its result again.
const asynqAsk = time.Millisecond

// asynqStored keeps results where asynq puts them.
type asynqStored struct {
	*asynqPeer
	inspector *asynq.Inspector
}

func openAsynqStored(_ context.Context, s *servers) (peer, error) {
	p, err := newAsynq(s, func(_ context.Context, t *asynq.Task) error {
		_, err := t.ResultWriter().Write(t.Payload())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &asynqStored{p, asynq.NewInspectorFromRedisClient(p.rdb)}, nil
}

func (p *asynqStored) do(ctx context.Context, n int) (int, error) {
	info, err := p.enqueue(ctx, number{n}, asynq.Retention(time.Hour))
	if err != nil {
		return 0, err
	}
	return p.await(ctx, info.ID)
}

// await asks for the task until it is completed.
func (p *asynqStored) await(ctx context.Context, id string) (int, error) {
	again := time.NewTimer(asynqAsk)
	defer again.Stop()
	for {
		info, err := p.inspector.GetTaskInfo(asynqQueue, id)
		if err != nil {
			return 0, err
		}
		switch info.State {
		case asynq.TaskStateCompleted:
			var out number
			err := json.Unmarshal(info.Result, &out)
			return out.N, err
		case asynq.TaskStateRetry, asynq.TaskStateArchived:
			return 0, fmt.Errorf("the task failed: %s", info.LastErr)
		}
		select {
		case <-again.C:
			again.Reset(asynqAsk)
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// batch asks for results only when all tasks are enqueued: to ask for those that cannot
// be there yet would slow the others.
func (p *asynqStored) batch(ctx context.Context, n int) error {
	ids := make([]string, n)
	err := fan(ctx, asynqWidth, n, func(ctx context.Context, i int) error {
		info, err := p.enqueue(ctx, number{i}, asynq.Retention(time.Hour))
		if err == nil {
			ids[i] = info.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	return fanDo(ctx, callers, n, func(ctx context.Context, i int) (int, error) { return p.await(ctx, ids[i]) })
}

func (p *asynqStored) close(context.Context) error { return p.stop() }
