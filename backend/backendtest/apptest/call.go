package apptest

import (
	"context"
	"errors"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var callRules = []rule{
	{"a map over two executing apps yields each result once, in order", checkMap},
	{"an error belongs to its input and the next result follows", checkMapErrors},
	{"a breaking map and an abandoned call reach the handlers in other apps", checkCallAbandoned},
	{"a job's calls that are under way at its end are cancelled", checkCallsEndWithJob},
	{"a recursive function with one worker ends", checkRecursion},
	{"functions of two apps that call each other with one worker each end", checkMutualRecursion},
}

// crowd waits until several apps are at work.
type crowd struct {
	here log[string]
	full *flag
	size int
}

func newCrowd(size int) *crowd { return &crowd{full: newFlag(), size: size} }

// arrive says that an app is at work and waits for the others.
func (c *crowd) arrive(w *world, where string) error {
	if c.full.raised() {
		return nil
	}
	c.here.add(where)
	names := make(map[string]bool)
	for _, name := range c.here.entries() {
		names[name] = true
	}
	if len(names) >= c.size {
		c.full.raise()
	}
	return w.hold(c.full.ch)
}

func checkMap(w *world) {
	var ran log[int]
	both := newCrowd(2)
	square := func(where string) *mn.Function[int, int] {
		return mn.NewFunction("square", func(_ context.Context, n int) (int, error) {
			if err := both.arrive(w, where); err != nil {
				return 0, err
			}
			ran.add(n)
			return n * n, nil
		}, mn.CPU(1), mn.MaxWorkers(8))
	}
	w.narrow(4, square("a"))
	w.narrow(4, square("b"))
	client := w.client(square(""))
	const inputs = 2000
	next := 0
	for v, err := range square("").On(client.App).Map(w.ctx, ints(inputs)) {
		require.NoError(w.t, err)
		require.Equal(w.t, next*next, v)
		next++
	}
	require.Equal(w.t, inputs, next)
	seen := make(map[int]bool)
	for v, err := range square("").On(client.App).Map(w.ctx, ints(inputs), mn.Unordered()) {
		require.NoError(w.t, err)
		require.False(w.t, seen[v], "%d came twice", v)
		seen[v] = true
	}
	require.Len(w.t, seen, inputs)
	require.Len(w.t, ran.entries(), 2*inputs, "no worker was lost, so nothing ran twice")
}

func checkMapErrors(w *world) {
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) {
		if n%3 == 0 {
			return 0, fmt.Errorf("no %d", n)
		}
		return n, nil
	})
	w.worker(fn)
	w.worker(fn)
	client := w.client(fn)
	next := 0
	for v, err := range fn.On(client.App).Map(w.ctx, ints(100)) {
		if next%3 == 0 {
			var run *mn.RunError
			require.ErrorAs(w.t, err, &run)
			require.Equal(w.t, fmt.Sprintf("no %d", next), run.Message)
		} else {
			require.NoError(w.t, err)
			require.Equal(w.t, next, v)
		}
		next++
	}
	require.Equal(w.t, 100, next)
}

func checkCallAbandoned(w *world) {
	var causes log[error]
	running := newFlag()
	fn := mn.NewFunction("fn", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 0, nil
		}
		running.raise()
		<-ctx.Done()
		causes.add(context.Cause(ctx))
		return 0, ctx.Err()
	}, mn.MaxWorkers(2))
	w.worker(fn)
	client := w.client(fn)
	ctx, cancel := context.WithCancel(w.ctx)
	called := fn.On(client.App).Go(ctx, 1)
	w.await("the call runs", running.ch)
	cancel()
	_, err := called.Wait(w.ctx)
	require.ErrorIs(w.t, err, context.Canceled)
	w.eventually("the handler is told", func() bool { return len(causes.entries()) == 1 })
	require.ErrorIs(w.t, causes.entries()[0], mn.ErrJobCancelled)

	for _, err := range fn.On(client.App).Map(w.ctx, ints(50)) {
		require.NoError(w.t, err) // the first input's
		break
	}
	w.eventually("nothing is under way", func() bool {
		p := w.pool("fn")
		return p.Pending+p.Running == 0
	})
}

func checkCallsEndWithJob(w *world) {
	running := newFlag()
	var causes log[error]
	fn := mn.NewFunction("fn", func(ctx context.Context, _ int) (int, error) {
		running.raise()
		<-ctx.Done()
		causes.add(context.Cause(ctx))
		return 0, nil
	}, mn.MaxWorkers(1))
	job := mn.NewJob("job", func(ctx context.Context, n int, _ func(int) bool) error {
		for i := range n {
			fn.Go(ctx, i)
		}
		if err := w.hold(running.ch); err != nil {
			return err
		}
		return errors.New("changed my mind")
	})
	w.worker(fn)
	w.worker(append(bare(fn), job)...)
	client := w.client(job)
	info := ended(w, job.On(client.App), start(w, job.On(client.App), 5))
	require.Equal(w.t, mn.Failed, info.Status)
	w.eventually("no call is left", func() bool {
		p := w.pool("fn")
		return p.Pending+p.Running == 0
	})
	for _, cause := range causes.entries() {
		require.ErrorIs(w.t, cause, mn.ErrJobCancelled)
	}
	require.NotEmpty(w.t, causes.entries())
}

func checkRecursion(w *world) {
	fib := mn.NewFunction[int, int]("fib", nil, mn.MaxWorkers(1))
	fib.Handle(func(ctx context.Context, n int) (int, error) {
		if n < 2 {
			return n, nil
		}
		sum := 0
		for v, err := range fib.Map(ctx, func(yield func(int) bool) { _ = yield(n-1) && yield(n-2) }) {
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
	w.worker(fib)
	w.worker(fib)
	client := w.client(fib)
	v, err := fib.On(client.App).Call(w.ctx, 10)
	require.NoError(w.t, err)
	require.Equal(w.t, 55, v)
}

func checkMutualRecursion(w *world) {
	even := mn.NewFunction[int, bool]("even", nil, mn.MaxWorkers(1))
	odd := mn.NewFunction[int, bool]("odd", nil, mn.MaxWorkers(1))
	even.Handle(func(ctx context.Context, n int) (bool, error) {
		if n == 0 {
			return true, nil
		}
		return odd.Call(ctx, n-1)
	})
	odd.Handle(func(ctx context.Context, n int) (bool, error) {
		if n == 0 {
			return false, nil
		}
		return even.Call(ctx, n-1)
	})
	w.worker(append(bare(odd), even)...)
	w.worker(append(bare(even), odd)...)
	client := w.client(even)
	v, err := even.On(client.App).Call(w.ctx, 21)
	require.NoError(w.t, err)
	require.False(w.t, v)
}
