package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
)

// pageSize is how many IDs the measured page holds, and how many finished jobs the
// place counts as empty with: without them its page would be empty too, and there
// would be nothing to Get.
const pageSize = 100

// maxSpread bounds how many IDs of stored jobs are remembered.
const maxSpread = 1 << 14

// shelf is a program in whose namespace finished jobs are stored.
type shelf struct {
	*program
	starts starts
	// spread are IDs of stored jobs, evenly spread over all of them.
	spread []mn.JobID
	// few are some of them, as many on every shelf, so that what differs is what else
	// is stored and not how much of what is read lies in the processor's caches.
	few  []mn.JobID
	turn int
}

func newShelf(ctx context.Context, place backend.Backend, name string, n int) (*shelf, error) {
	s := &shelf{}
	stride, i := max(1, n/maxSpread), 0
	err := fill(ctx, place.Namespace(name), runName, n, func(id string) {
		if i%stride == 0 {
			s.spread = append(s.spread, mn.JobID(id))
		}
		i++
	})
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(s.spread), func(i, j int) { s.spread[i], s.spread[j] = s.spread[j], s.spread[i] })
	s.few = s.spread[:pageSize]
	if s.program, err = newProgram(place, name, nil); err != nil {
		return nil, err
	}
	s.starts.program = s.program
	return s, nil
}

// get reads the next of the IDs.
func (s *shelf) get(ctx context.Context, ids []mn.JobID) error {
	s.turn = (s.turn + 1) % len(ids)
	info, err := s.run.Get(ctx, ids[s.turn])
	if err == nil && info.Status != mn.Succeeded {
		err = fmt.Errorf("a stored job is %s", info.Status)
	}
	return err
}

// shelfOp is something whose cost must not depend on how much is stored. Between two
// of them comes rest, untimed, if it is not nil.
type shelfOp struct {
	name     string
	op, rest func(*shelf, context.Context) error
}

var shelfOps = []shelfOp{
	{"call", func(s *shelf, ctx context.Context) error { return s.call(ctx) }, nil},
	{"get", func(s *shelf, ctx context.Context) error { return s.get(ctx, s.few) }, nil},
	{
		"start", func(s *shelf, ctx context.Context) error { return s.starts.start(ctx) },
		func(s *shelf, ctx context.Context) error { return s.starts.forget(ctx) },
	},
	{fmt.Sprintf("page of %d IDs", pageSize), (*shelf).page, nil},
}

// shelfSamples are few enough that largeCollect windows allocate less than what makes
// the heap be collected: with a million jobs stored a collection runs for a second and slows
// what runs meanwhile, on a busy process more than on an idle one. It is not counted
// here but has a line of its own.
const shelfSamples = 1 << 11

// side measures the op on the shelf that s points to by then.
func (o *shelfOp) side(s **shelf) side {
	bind := func(f func(*shelf, context.Context) error) func(context.Context) error {
		if f == nil {
			return nil
		}
		return func(ctx context.Context) error { return f(*s, ctx) }
	}
	return latency(bind(o.op), bind(o.rest), shelfSamples)
}

// page reads the newest IDs.
func (s *shelf) page(ctx context.Context) error {
	n := 0
	for _, err := range s.run.ListIDs(ctx, mn.Limit(pageSize)) {
		if err != nil {
			return err
		}
		n++
	}
	if n != pageSize {
		return errors.New("the page is not full")
	}
	return nil
}
