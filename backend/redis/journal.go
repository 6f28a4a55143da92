package redis

import (
	"context"
	"fmt"

	"github.com/multinode/mn/backend"
)

// mostEntries and mostBytes bound what one step appends: the server serves nobody else
// meanwhile. A single entry may be larger.
const (
	mostEntries = 1000
	mostBytes   = 1 << 20
)

// Append implements [backend.Worker]. What is more than one step may append goes in several,
// of which the first may succeed and a later one fail.
func (s *store) Append(ctx context.Context, additions []backend.Addition) error {
	var step addition
	for i := range additions {
		a := &additions[i]
		if err := checkStream(a.Stream); err != nil {
			return err
		}
		for data := a.Data; len(data) > 0; {
			n := step.fits(data)
			if n == 0 {
				if err := s.append(ctx, &step); err != nil {
					return err
				}
				continue
			}
			step.add(a, data[:n])
			data = data[n:]
		}
	}
	return s.append(ctx, &step)
}

// addition is what one step appends, as append.lua reads it.
type addition struct {
	n, entries, bytes int
	args              []any
}

// fits is how many of the entries have room in the step, at least one if it is empty.
func (x *addition) fits(data [][]byte) (n int) {
	for bytes := x.bytes; n < len(data); n++ {
		bytes += len(data[n])
		if (bytes > mostBytes || x.entries+n == mostEntries) && x.entries+n > 0 {
			break
		}
	}
	return n
}

func (x *addition) add(a *backend.Addition, data [][]byte) {
	x.n++
	x.entries += len(data)
	x.args = append(x.args, a.Job, a.Slot, int(a.Stream), a.Limit.Entries, a.Limit.Bytes, len(data))
	for _, d := range data {
		x.bytes += len(d)
		x.args = append(x.args, d)
	}
}

// append runs append.lua for a step, which is empty afterwards.
func (s *store) append(ctx context.Context, x *addition) error {
	if x.n == 0 {
		return ctx.Err()
	}
	_, err := s.text(ctx, scriptAppend, append([]any{x.n}, x.args...))
	*x = addition{}
	if full(err) {
		return backend.ErrBackpressure
	}
	return err
}

// checkStream refuses a stream whose keys nobody would remove.
func checkStream(stream backend.Stream) error {
	if stream != backend.LogStream && stream != backend.CallStream {
		return fmt.Errorf("redis: there is no stream %d: choose backend.LogStream or backend.CallStream", stream)
	}
	return nil
}

// beyond is a number that no entry reaches and that Lua can still add one to.
const beyond = 1 << 52

// Journal implements [backend.Client].
func (s *store) Journal(ctx context.Context, req backend.JournalRequest) ([]backend.Entry, error) {
	if err := checkStream(req.Stream); err != nil {
		return nil, err
	}
	limit := req.Limit
	if limit <= 0 {
		limit = backend.DefaultPage
	}
	reply, err := s.eval(ctx, scriptJournal, []any{req.Job, int(req.Stream), min(req.After, beyond), req.Last, limit})
	switch {
	case err != nil:
		return nil, err
	case reply == nil:
		return nil, backend.ErrNotFound
	}
	list, ok := reply.([]any)
	if !ok || len(list) != 2 {
		return nil, errForeign
	}
	first, ok1 := list[0].(string)
	data, ok2 := list[1].([]any)
	if !ok1 || !ok2 {
		return nil, errForeign
	}
	entries := make([]backend.Entry, len(data))
	for i := range data {
		text, _ := data[i].(string)
		entries[i] = backend.Entry{Number: number[uint64](first) + uint64(i), Data: []byte(text)}
	}
	return entries, nil
}

// Attempts implements [backend.Client].
func (s *store) Attempts(ctx context.Context, id string) ([]backend.PastAttempt, error) {
	reply, err := s.eval(ctx, scriptAttempts, []any{id})
	if err != nil {
		return nil, err
	}
	records, ok := reply.([]any)
	if !ok {
		return nil, backend.ErrNotFound
	}
	past := make([]backend.PastAttempt, len(records))
	for i := range records {
		text, _ := records[i].(string)
		f, err := netstrings(text)
		if err != nil || len(f) != 7 {
			return nil, errForeign
		}
		past[i] = backend.PastAttempt{
			Number: number[int](f[0]), Slot: f[1], Started: moment(f[2]), Ended: moment(f[3]), Failure: failure(f[4], f[5], f[6]),
		}
	}
	return past, nil
}
