package main

import (
	"runtime"

	"github.com/multinode/mn/backend/memory"
)

func init() {
	register(driver{
		name:    "memory",
		open:    openMemory,
		targets: targets{idle: 3, parallel: 1.0 / 3, mapped: 1.0 / 2, job: 5, stored: 1.2},
	})
}

func openMemory() (*medium, error) {
	return &medium{
		backend: memory.New(),
		dial:    dialChannels,
		used:    heapInUse,
		close:   func() error { return nil },
	}, nil
}

// heapInUse counts what is reachable: two collections, because what has a finalizer
// or lies in a sync.Pool outlives the first.
func heapInUse() (uint64, error) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, nil
}

// channels is the floor in one process: a goroutine and two unbuffered channels.
type channels struct{ requests, responses chan []byte }

func dialChannels(serve func([]byte) []byte) (line, error) {
	c := channels{make(chan []byte), make(chan []byte)}
	go func() {
		defer close(c.responses)
		for request := range c.requests {
			c.responses <- serve(request)
		}
	}()
	return c, nil
}

func (c channels) exchange(request []byte) ([]byte, error) {
	c.requests <- request
	return <-c.responses, nil
}

// close returns when the goroutine is about to end.
func (c channels) close() error {
	close(c.requests)
	<-c.responses
	return nil
}
