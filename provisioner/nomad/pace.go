package nomad

import (
	"context"
	"sync"
	"time"
)

// pace is a token bucket: rate dispatches in a second, and as many at once.
type pace struct {
	rate float64

	mu     sync.Mutex
	tokens float64 // below 0: taken in advance by those who wait
	at     time.Time
}

func newPace(rate int) *pace {
	return &pace{rate: float64(rate), tokens: float64(rate), at: time.Now()}
}

// ahead is for how long dispatches are reserved in advance: longer than a scaler's sweep takes
// to come again, and short beside mn.Timing.Start, which begins with the reservation.
const ahead = 5 * time.Second

// Room implements [provisioner.Pacer]. There is none until half of what was reserved in advance has
// been dispatched, so that slots are reserved many at a time.
func (p *Provisioner) Room(pool string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	most, queued := max(1, int(p.pace.rate*ahead.Seconds())), 0
	for _, k := range p.queue {
		if k.pool.name == pool {
			queued++
		}
	}
	if queued > most/2 {
		return 0
	}
	return most - queued
}

// wait blocks until it is the caller's turn; false if ctx ended before.
func (p *pace) wait(ctx context.Context) bool {
	p.mu.Lock()
	now := time.Now()
	p.tokens = min(p.rate, p.tokens+now.Sub(p.at).Seconds()*p.rate)
	p.at = now
	p.tokens--
	lacking := -p.tokens
	p.mu.Unlock()
	if lacking <= 0 {
		return ctx.Err() == nil
	}
	return sleep(ctx, time.Duration(lacking/p.rate*float64(time.Second)))
}
