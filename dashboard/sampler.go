package dashboard

import (
	"context"
	"sync"
	"time"

	"github.com/multinode/mn"
)

const (
	// sampleEvery is how often the definitions are read while somebody watches, if they are
	// few: each costs a backend some commands, so many are read less often, by sampleEach for
	// each, but at least every sampleSlow.
	sampleEvery = 2 * time.Second
	sampleEach  = 200 * time.Millisecond
	sampleSlow  = 10 * time.Second
	// rateSpan is over which rates and quantiles are taken. Workers report every five
	// seconds by default, so a shorter one would show their rhythm.
	rateSpan = 10 * time.Second
	// sampleLinger is how long the sampler goes on when nobody watches: people go from
	// page to page.
	sampleLinger = 10 * time.Second
)

// reading is the definitions at one moment.
type reading struct {
	at    time.Time
	infos []mn.DefinitionInfo
}

// sampler reads the definitions for all pages, and keeps what the plots show. It runs only
// while somebody watches.
type sampler struct {
	definitions func(context.Context) ([]mn.DefinitionInfo, error)
	spawn       func(func(context.Context)) bool

	mu       sync.Mutex
	watchers int
	running  bool
	idle     time.Time // since when nobody watches
	newest   reading
	every    time.Duration // between readings, for as many definitions as there are
	window   []reading     // those of the last rateSpan, and one before
	history  history
}

func newSampler(definitions func(context.Context) ([]mn.DefinitionInfo, error), spawn func(func(context.Context)) bool) *sampler {
	return &sampler{definitions: definitions, spawn: spawn, every: sampleEvery, history: make(history)}
}

// watch keeps the sampler running until the returned function is called.
func (s *sampler) watch() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers++
	if !s.running {
		s.running = s.spawn(s.run)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watchers--
		s.idle = time.Now()
	}
}

func (s *sampler) run(ctx context.Context) {
	for s.wanted() && ctx.Err() == nil {
		timer := time.NewTimer(s.sample(ctx))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// wanted reports whether to go on, and else that the sampler has stopped.
func (s *sampler) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = s.watchers > 0 || time.Since(s.idle) < sampleLinger
	return s.running
}

// sample reads once, and returns when to read again. What fails is a gap in the plots; the
// pages tell why.
func (s *sampler) sample(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, readBound)
	defer cancel()
	infos, err := s.definitions(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.add(reading{time.Now(), infos})
	}
	return s.every
}

// add is called with s.mu held.
func (s *sampler) add(r reading) {
	if r.at.Sub(s.newest.at) > 3*s.every {
		s.window = nil // nobody has watched, or the backend was away
		s.history.gap(s.newest.at)
	}
	s.newest = r
	s.every = min(sampleSlow, max(sampleEvery, time.Duration(len(r.infos))*sampleEach))
	s.window = append(s.window, r)
	for len(s.window) > 2 && r.at.Sub(s.window[1].at) >= rateSpan {
		s.window = s.window[1:]
	}
	s.history.add(s.window[0], r)
}

// read returns the newest definitions, which are read now unless the sampler just has.
func (s *sampler) read(ctx context.Context) (reading, error) {
	s.mu.Lock()
	r, stale := s.newest, 2*s.every
	s.mu.Unlock()
	if time.Since(r.at) < stale {
		return r, nil
	}
	infos, err := s.definitions(ctx)
	return reading{time.Now(), infos}, err
}

// plot returns the points of a definition, or of all together for "", that are later than
// after.
func (s *sampler) plot(definition string, after int64) []point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.since(definition, after)
}

// last returns the newest point of a definition if it is recent.
func (s *sampler) last(definition string) (point, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	points := s.history[definition]
	if len(points) == 0 || time.Since(points[len(points)-1].at()) > 2*s.every {
		return point{}, false
	}
	return points[len(points)-1], true
}
