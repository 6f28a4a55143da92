package redis

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBatch bounds a pipeline: the server answers all of it before it serves others.
const maxBatch = 64

// maxFlights is how many pipelines are under way at a time. What comes meanwhile waits
// and goes together.
const maxFlights = 2

// pipe sends commands of many goroutines in common pipelines. A command that comes alone
// is sent at once by the goroutine that brought it.
type pipe struct {
	rdb redis.UniversalClient

	mu      sync.Mutex
	flights int
	waiting []*pending
}

type pending struct {
	cmd  redis.Cmder
	done chan struct{}
}

var pendingPool = sync.Pool{New: func() any { return &pending{done: make(chan struct{}, 1)} }}

// do sends a command and waits for its reply, or until ctx is done: the command may then
// have been executed or not.
func (p *pipe) do(ctx context.Context, cmd redis.Cmder) error {
	p.mu.Lock()
	if p.flights < maxFlights {
		p.flights++
		p.mu.Unlock()
		_ = p.alone(ctx, cmd)
		p.land()
		return cmd.Err()
	}
	w := pendingPool.Get().(*pending)
	w.cmd = cmd
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	select {
	case <-w.done:
		pendingPool.Put(w)
		return cmd.Err()
	case <-ctx.Done(): // w is left to the flight that carries it
		return ctx.Err()
	}
}

// land ends a flight; if commands are waiting the next begins on a goroutine of its own.
func (p *pipe) land() {
	p.mu.Lock()
	batch := p.take()
	if batch == nil {
		p.flights--
	}
	p.mu.Unlock()
	if batch != nil {
		go p.fly(batch)
	}
}

func (p *pipe) take() []*pending {
	n := min(len(p.waiting), maxBatch)
	if n == 0 {
		return nil
	}
	batch := append([]*pending(nil), p.waiting[:n]...)
	rest := copy(p.waiting, p.waiting[n:])
	clear(p.waiting[rest:])
	p.waiting = p.waiting[:rest]
	return batch
}

// fly sends one batch after another until nothing waits.
func (p *pipe) fly(batch []*pending) {
	for batch != nil {
		cmds := make([]redis.Cmder, len(batch))
		for i, w := range batch {
			cmds[i] = w.cmd
		}
		p.send(cmds)
		for _, w := range batch {
			w.done <- struct{}{}
		}
		p.mu.Lock()
		if batch = p.take(); batch == nil {
			p.flights--
		}
		p.mu.Unlock()
	}
}

// alone executes a command that goes with no others, so that its caller's deadline can be
// obeyed. Only that: the client takes a connection that it was dialling when a context was
// cancelled for a sign that the server is down.
func (p *pipe) alone(ctx context.Context, cmd redis.Cmder) error {
	bound := time.Now().Add(exchangeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(bound) {
		bound = d
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), bound)
	defer cancel()
	return p.rdb.Process(ctx, cmd)
}

// send executes commands; each keeps its own error. Their callers' contexts do not end
// it, because it may carry other callers' commands.
func (p *pipe) send(cmds []redis.Cmder) {
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	if len(cmds) == 1 {
		_ = p.rdb.Process(ctx, cmds[0])
		return
	}
	_, _ = p.rdb.Pipelined(ctx, func(pl redis.Pipeliner) error {
		for _, c := range cmds {
			_ = pl.Process(ctx, c)
		}
		return nil
	})
}
