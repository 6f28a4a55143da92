package backendtest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// refused checks that err says who holds which lock.
func (w *world) refused(err error, key, holder string) {
	w.t.Helper()
	var held *backend.LockError
	require.ErrorAs(w.t, err, &held)
	require.Equal(w.t, backend.LockError{Key: key, Holder: holder}, *held)
}

var lockRules = []rule{
	{"locks are held from the submit on", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs, "y", "x"))
		w.holds("a", "x", "y")
		require.Equal(w.t, []string{"x", "y"}, w.get("a").Locks)
		w.refused(c.submit(task("b", jobs, "x"))[0].Err, "x", "a")
		w.gone("b")
	}},
	{"locks are all or none", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs, "1", "2"))
		w.refused(c.submit(task("b", jobs, "0", "2", "3"))[0].Err, "2", "a")
		w.gone("b")
		w.free("0", "3")
		c.start(task("c", jobs, "0", "3"))
	}},
	{"locks added to a running task are all or none", func(w *world) {
		p := w.host()
		b, a := p.run(task("b", jobs, "2")), p.run(task("a", jobs, "1"))
		w.refused(a.lock("0", "2", "3"), "2", "b")
		w.free("0", "3")
		require.Equal(w.t, []string{"1"}, w.get("a").Locks)
		require.NoError(w.t, a.lock("0", "3"))
		require.Equal(w.t, []string{"0", "1", "3"}, w.get("a").Locks)
		w.holds("a", "0", "1", "3")
		w.refused(b.lock("0"), "0", "a")
	}},
	{"a lock that the task holds already is no error", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs, "1"))
		require.NoError(w.t, a.lock("1"))
		require.NoError(w.t, a.lock("1", "2", "2"))
		require.NoError(w.t, a.lock("2", "1"))
		require.Equal(w.t, []string{"1", "2"}, w.get("a").Locks)
		a.succeed()
		require.Empty(w.t, w.held())
	}},
	{"two tasks of one batch do not share a lock", func(w *world) {
		got := w.client("c").submit(task("a", jobs, "1"), task("b", jobs, "1"), task("c", jobs, "2"))
		require.NoError(w.t, got[0].Err)
		w.refused(got[1].Err, "1", "a")
		require.NoError(w.t, got[2].Err)
	}},
	{"tasks of different definitions contend for one lock", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job), spec("other", backend.Job))
		p.start(task("a", jobs, "1"))
		w.refused(p.submit(task("b", "other", "1"))[0].Err, "1", "a")
	}},
	{"a freed lock can be taken at once", func(w *world) {
		p := w.host()
		for i := range 5 {
			p.run(task(fmt.Sprint(i), jobs, "1")).settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		}
	}},
	{"held locks are listed in pages, in the order of their keys", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs, "k3", "k1"), task("b", jobs, "k2", "k5", "k4"))
		page := func(after string, limit int) (keys []string) {
			locks, err := w.store.Locks(w.ctx, after, limit)
			require.NoError(w.t, err)
			for _, l := range locks {
				keys = append(keys, l.Key+l.Holder)
			}
			return keys
		}
		require.Equal(w.t, []string{"k1a", "k2b"}, page("", 2))
		require.Equal(w.t, []string{"k3a", "k4b"}, page("k2", 2))
		require.Equal(w.t, []string{"k5b"}, page("k4", 2))
		require.Empty(w.t, page("k5", 2))
		require.Equal(w.t, []string{"k3a"}, page("k2x", 1))
	}},
	{"many locks are listed in pages", func(w *world) {
		const n = 1500
		c := w.client("c")
		for i := range n {
			c.start(task(fmt.Sprint(i), jobs, fmt.Sprintf("%05d", i*7919%n)))
		}
		after := ""
		for i := 0; i < n; i += 100 {
			locks, err := w.store.Locks(w.ctx, after, 100)
			require.NoError(w.t, err)
			require.Len(w.t, locks, 100)
			for j, l := range locks {
				require.Equal(w.t, fmt.Sprintf("%05d", i+j), l.Key)
			}
			after = locks[99].Key
		}
	}},
	{"locks are kept while the task waits for its next attempt", func(w *world) {
		p := w.host(retries(3))
		a := p.run(task("a", jobs, "1"))
		require.NoError(w.t, a.lock("2"))
		a.fail()
		w.holds("a", "1", "2")
		b := p.claim(a.Lease.Slot)
		b.release()
		w.holds("a", "1", "2")
		c := p.claim(a.Lease.Slot)
		c.crash("")
		w.is("a", backend.StatusPending)
		w.holds("a", "1", "2")
		require.Equal(w.t, []string{"1", "2"}, w.get("a").Locks)
	}},
	{"locks are kept while the task is CANCELLING", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs, "1"))
		w.cancel("a")
		w.holds("a", "1")
		w.refused(p.submit(task("b", jobs, "1"))[0].Err, "1", "a")
		require.Equal(w.t, backend.StatusCancelled, a.release())
		w.free("1")
	}},
	{"locks are kept while a removed task still runs", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs, "1"))
		w.remove("a")
		w.holds("a", "1")
		a.release()
		w.free("1")
		w.gone("a")
	}},
	{"locks are freed exactly with the terminal transition", func(w *world) {
		quick := []set{limits(time.Millisecond, time.Millisecond)}
		for ending, end := range map[string]func(a *attempt){
			"success":     func(a *attempt) { a.succeed() },
			"failure":     func(a *attempt) { a.fail() },
			"cancel":      func(a *attempt) { w.cancel("a"); a.succeed() },
			"lost worker": func(a *attempt) { a.crash("") },
			"timeout": func(*attempt) {
				w.sweepUntil(func() bool { return w.status("a").Terminal() }, "the timeout")
			},
			"end of its session": func(a *attempt) { a.leave() },
		} {
			sets := []set{}
			if ending == "timeout" {
				sets = quick
			}
			p := w.join("p", spec(jobs, backend.Job, sets...))
			a := p.run(task("a", jobs, "1"))
			require.NoError(w.t, a.lock("2"))
			w.holds("a", "1", "2")
			end(a)
			require.True(w.t, w.status("a").Terminal(), ending)
			require.Empty(w.t, w.held(), ending)
			require.Empty(w.t, w.get("a").Locks, ending)
			w.remove("a")
			p.leave()
		}
	}},
	{"locks of a pending task are freed by its cancel and by its removal", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs, "1"), task("b", jobs, "2"))
		w.cancel("a")
		w.remove("b")
		require.Empty(w.t, w.held())
		c.start(task("c", jobs, "1", "2"))
	}},
}
