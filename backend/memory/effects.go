package memory

import (
	"sync"
	"time"

	"github.com/multinode/mn/backend"
)

// effects is what one step has to tell others once the mutex is free.
type effects struct {
	now     time.Time // when the step began; read outside the mutex
	grants  []grant
	closed  []chan struct{}
	results []delivery
	cancels []cancellation
	demands []demand
	kills   []kill
}

type (
	grant struct {
		to *waiter
		a  *backend.Assignment
	}
	delivery struct {
		to backend.Inbox
		r  backend.Result
	}
	cancellation struct {
		to    backend.Inbox
		lease backend.Lease
	}
	demand struct {
		to   backend.Inbox
		pool string
	}
	kill struct {
		to   backend.Inbox
		slot string
	}
)

// effectsPool saves the hot paths their slices.
var effectsPool = sync.Pool{New: func() any { return new(effects) }}

func begin() *effects {
	fx := effectsPool.Get().(*effects)
	fx.now = time.Now()
	return fx
}

// carryOut tells everybody. It is called once, without the mutex, and ends fx.
func (fx *effects) carryOut() {
	for i, g := range fx.grants {
		fx.grants[i] = grant{}
		g.to.ch <- g.a
	}
	for i, c := range fx.closed {
		fx.closed[i] = nil
		close(c)
	}
	for i, d := range fx.results {
		fx.results[i] = delivery{}
		d.to.Result(d.r)
	}
	for _, c := range fx.cancels {
		c.to.Cancel(c.lease)
	}
	for _, d := range fx.demands {
		d.to.Demand(d.pool)
	}
	for _, k := range fx.kills {
		k.to.Kill(k.slot)
	}
	clear(fx.cancels)
	clear(fx.demands)
	clear(fx.kills)
	fx.grants, fx.closed, fx.results = fx.grants[:0], fx.closed[:0], fx.results[:0]
	fx.cancels, fx.demands, fx.kills = fx.cancels[:0], fx.demands[:0], fx.kills[:0]
	effectsPool.Put(fx)
}
