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
	results []backend.Result
	readers []backend.Inbox // of each result
	cancels []cancellation
	demands []demand
	kills   []kill
}

type (
	grant struct {
		to *waiter
		as []backend.Assignment
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
		g.to.ch <- g.as
	}
	for i, c := range fx.closed {
		fx.closed[i] = nil
		close(c)
	}
	fx.deliver()
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
	clear(fx.results)
	clear(fx.readers)
	fx.grants, fx.closed, fx.results = fx.grants[:0], fx.closed[:0], fx.results[:0]
	fx.readers = fx.readers[:0]
	fx.cancels, fx.demands, fx.kills = fx.cancels[:0], fx.demands[:0], fx.kills[:0]
	effectsPool.Put(fx)
}

// deliver gives each session its results, those that follow each other together.
func (fx *effects) deliver() {
	for from := 0; from < len(fx.results); {
		to := from + 1
		for to < len(fx.results) && fx.readers[to] == fx.readers[from] {
			to++
		}
		fx.readers[from].Results(fx.results[from:to])
		from = to
	}
}
