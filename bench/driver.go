package main

import (
	"time"

	"github.com/multinode/mn/backend"
)

// driver is a backend as this program sees it.
type driver struct {
	name string
	// open opens a place of the backend that is empty and that nobody else uses.
	open    func() (*medium, error)
	targets targets
}

// targets are the ratios to the floor that a backend has to reach; 0 is none.
type targets struct {
	idle     float64 // at most: one call at a time
	parallel float64 // at least: calls per second of many callers
	mapped   float64 // at least: calls per second of a Map
	job      float64 // at most: a job from its start to its end
	stored   float64 // at most: with stored jobs, of the same without
}

// medium is an opened backend and what is measured beside it.
type medium struct {
	backend backend.Backend
	// dial returns a line whose far end answers each request with serve. It is the
	// floor of the medium: nothing but bytes there and back.
	dial func(serve func([]byte) []byte) (line, error)
	// used is how many bytes of memory the backend takes up at the moment.
	used func() (uint64, error)
	// spent is how much processor time the backend's server has taken for steps; nil if
	// there is no server.
	spent func() (time.Duration, error)
	close func() error
}

// line carries one request at a time.
type line interface {
	exchange(request []byte) (response []byte, err error)
	close() error
}

var drivers = map[string]driver{}

// register makes a backend known to -backend. Each is registered by the init of the
// file that holds its driver.
func register(d driver) { drivers[d.name] = d }
