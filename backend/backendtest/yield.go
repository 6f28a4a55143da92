package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var yieldRules = []rule{
	{"the newest yield is the job's result", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		for n := uint64(1); n <= 3; n++ {
			a.yield(n)
			got := w.get("a")
			require.Equal(w.t, value(n).Data, got.Result)
			require.Equal(w.t, n, got.Yields)
		}
		a.succeed()
		require.Equal(w.t, value(3).Data, w.get("a").Result)
	}},
	{"yields whose number is not above the newest are ignored", func(w *world) {
		p := w.host(keepYields(10))
		a := p.run(task("a", jobs))
		a.yield(5)
		version := w.get("a").Version
		require.NoError(w.t, w.store.Yield(w.ctx, a.Lease, []backend.Yield{{Number: 5, Data: []byte("again")}, value(4)}))
		got := w.get("a")
		require.Equal(w.t, value(5).Data, got.Result)
		require.Equal(w.t, version, got.Version, "nothing has changed")
		require.NoError(w.t, w.store.Yield(w.ctx, a.Lease, []backend.Yield{value(3), value(5), value(7), value(6)}))
		require.Equal(w.t, []uint64{5, 7}, w.log("a", 0, 10))
		require.Equal(w.t, uint64(7), w.get("a").Yields)
	}},
	{"as many yields as KeepYields stay readable, oldest first", func(w *world) {
		p := w.host(keepYields(3))
		a := p.run(task("a", jobs))
		a.yield(1)
		a.yield(2)
		require.Equal(w.t, []uint64{1, 2}, w.log("a", 0, 10))
		require.NoError(w.t, w.store.Yield(w.ctx, a.Lease, []backend.Yield{value(3), value(4), value(6)}))
		require.Equal(w.t, []uint64{3, 4, 6}, w.log("a", 0, 10))
		a.succeed()
		require.Equal(w.t, []uint64{3, 4, 6}, w.log("a", 0, 10))
	}},
	{"kept yields are read in pages, above a number", func(w *world) {
		p := w.host(keepYields(100))
		a := p.run(task("a", jobs))
		for n := uint64(1); n <= 7; n++ {
			a.yield(n)
		}
		require.Equal(w.t, []uint64{1, 2, 3}, w.log("a", 0, 3))
		require.Equal(w.t, []uint64{4, 5, 6}, w.log("a", 3, 3))
		require.Equal(w.t, []uint64{7}, w.log("a", 6, 3))
		require.Empty(w.t, w.log("a", 7, 3))
		require.Empty(w.t, w.log("a", 100, 3))
	}},
	{"a large log is read in pages", func(w *world) {
		const n = 300
		p := w.host(keepYields(n))
		a := p.run(task("a", jobs))
		var batch []backend.Yield
		for i := uint64(1); i <= 2*n; i++ {
			batch = append(batch, value(i))
		}
		require.NoError(w.t, w.store.Yield(w.ctx, a.Lease, batch))
		after, read := uint64(0), 0
		for page := w.log("a", after, 64); len(page) > 0; page = w.log("a", after, 64) {
			read += len(page)
			after = page[len(page)-1]
		}
		require.Equal(w.t, n, read)
		require.Equal(w.t, uint64(2*n), after)
	}},
	{"without KeepYields only the result stays", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.yield(1)
		require.Empty(w.t, w.log("a", 0, 10))
		require.Equal(w.t, value(1).Data, w.get("a").Result)
	}},
	{"yields go on counting and stay readable across attempts", func(w *world) {
		p := w.host(keepYields(10), retries(2))
		a := p.run(task("a", jobs))
		a.yield(1)
		a.yield(2)
		a.fail()
		require.Equal(w.t, value(2).Data, w.get("a").Result)
		b := p.claim(a.Lease.Slot)
		require.Equal(w.t, uint64(2), b.Yields)
		require.Equal(w.t, value(2).Data, b.Result)
		b.yield(1)
		b.yield(3)
		b.crash("")
		require.Equal(w.t, []uint64{1, 2, 3}, w.log("a", 0, 10))
		require.Equal(w.t, value(3).Data, w.get("a").Result)
	}},
	{"yields of no job are not found", func(w *world) {
		p := w.host()
		_, err := w.store.Yields(w.ctx, "nothing", 0, 10)
		require.ErrorIs(w.t, err, backend.ErrNotFound)
		p.run(task("a", jobs)).succeed()
		require.Empty(w.t, w.log("a", 0, 10))
		w.remove("a")
		_, err = w.store.Yields(w.ctx, "a", 0, 10)
		require.ErrorIs(w.t, err, backend.ErrNotFound)
	}},
	{"a yield after a cancel is stored while the lease lasts, and stays readable", func(w *world) {
		p := w.host(keepYields(10))
		a := p.run(task("a", jobs))
		a.yield(1)
		w.cancel("a")
		a.yield(2)
		a.settle(backend.Settlement{Outcome: backend.Released, Yields: []backend.Yield{value(3)}})
		got := w.get("a")
		require.Equal(w.t, backend.StatusCancelled, got.Status)
		require.Equal(w.t, value(3).Data, got.Result)
		require.Equal(w.t, []uint64{1, 2, 3}, w.log("a", 0, 10))
	}},
	{"yields survive a lost worker", func(w *world) {
		p := w.host(keepYields(10))
		a := p.run(task("a", jobs))
		a.yield(1)
		a.crash("")
		got := w.get("a")
		require.Equal(w.t, backend.StatusFailed, got.Status)
		require.Equal(w.t, value(1).Data, got.Result)
		require.Equal(w.t, []uint64{1}, w.log("a", 0, 10))
	}},
	{"yields that come with a settlement are stored with the end", func(w *world) {
		p := w.host(keepYields(10))
		a := p.run(task("a", jobs))
		a.yield(1)
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Yields: []backend.Yield{value(1), value(2), value(3)}})
		got := w.get("a")
		require.Equal(w.t, value(3).Data, got.Result)
		require.Equal(w.t, uint64(3), got.Yields)
		require.Equal(w.t, []uint64{1, 2, 3}, w.log("a", 0, 10))
	}},
	{"the slices of a yield may be reused by the caller", func(w *world) {
		p := w.host(keepYields(10))
		a := p.run(task("a", jobs))
		batch := []backend.Yield{value(1), value(2)}
		require.NoError(w.t, w.store.Yield(w.ctx, a.Lease, batch))
		clear(batch)
		require.Equal(w.t, []uint64{1, 2}, w.log("a", 0, 10))
	}},
	{"the jobs' yields are kept apart", func(w *world) {
		p := w.host(keepYields(10))
		for i := range 3 {
			a := p.run(task(fmt.Sprint(i), jobs))
			a.yield(uint64(i) + 1)
		}
		for i := range 3 {
			require.Equal(w.t, []uint64{uint64(i) + 1}, w.log(fmt.Sprint(i), 0, 10))
		}
	}},
}
