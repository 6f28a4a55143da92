package backendtest

import (
	"runtime"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// watch awaits beside the case, mostly from before it returns: it gives the other
// goroutine time, without depending on it.
func (w *world) watch(id string, until backend.Until) <-chan func() (*backend.Task, error) {
	done := make(chan func() (*backend.Task, error), 1)
	w.beside(func() {
		t, err := w.store.Await(w.ctx, id, until)
		done <- func() (*backend.Task, error) { return t, err }
	})
	for range 20 {
		runtime.Gosched()
		w.find(id)
	}
	return done
}

// see awaits a task that must exist.
func (w *world) see(id string, until backend.Until) *backend.Task {
	w.t.Helper()
	t, err := w.store.Await(w.ctx, id, until)
	require.NoError(w.t, err)
	return t
}

var awaitRules = []rule{
	{"Get reads tasks in the order asked for, nil for what does not exist", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs), task("b", calls))
		got, err := w.store.Get(w.ctx, []string{"b", "nothing", "a", "b"})
		require.NoError(w.t, err)
		require.Len(w.t, got, 4)
		require.Equal(w.t, "b", got[0].ID)
		require.Nil(w.t, got[1])
		require.Equal(w.t, "a", got[2].ID)
		require.Equal(w.t, got[0], got[3])
		got, err = w.store.Get(w.ctx, nil)
		require.NoError(w.t, err)
		require.Empty(w.t, got)
	}},
	{"Await of version 0 returns at once what Get returns", func(w *world) {
		w.client("c").start(task("a", jobs, "key"))
		require.Equal(w.t, w.get("a"), w.see("a", backend.Until{}))
	}},
	{"Await returns what has changed beyond the version that the caller knows", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs))
		known := w.get("a").Version
		seen := w.watch("a", backend.Until{After: known})
		p.claim(slot.ID)
		got, err := (<-seen)()
		require.NoError(w.t, err)
		require.Greater(w.t, got.Version, known)
		require.Equal(w.t, backend.StatusRunning, got.Status)
		require.Equal(w.t, got, w.see("a", backend.Until{After: known}))
	}},
	{"Await does not return before anything has changed", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs))
		seen := w.watch("a", backend.Until{After: w.get("a").Version})
		p.start(task("b", jobs)) // another task's change
		w.cancel("b")
		select {
		case <-seen:
			require.FailNow(w.t, "returned although nothing had changed")
		default:
		}
		p.claim(slot.ID)
		got, err := (<-seen)()
		require.NoError(w.t, err)
		require.Equal(w.t, backend.StatusRunning, got.Status)
	}},
	{"the version grows with every visible change", func(w *world) {
		p := w.host(retries(2))
		slot := p.start(task("a", jobs)).ID
		last := w.get("a").Version
		grows := func(what string) {
			now := w.see("a", backend.Until{After: last}).Version
			require.Greater(w.t, now, last, what)
			last = now
		}
		a := p.claim(slot)
		grows("claim")
		a.yield(1)
		grows("yield")
		require.NoError(w.t, a.lock("key"))
		grows("lock")
		a.release()
		grows("release")
		a = p.claim(slot)
		grows("claim")
		a.fail()
		grows("failure")
		a = p.claim(slot)
		grows("claim")
		a.crash("")
		grows("lost worker")
		p.next(jobs)
		grows("claim")
		w.cancel("a")
		grows("cancel")
		w.remove("a")
		grows("removal")
	}},
	{"Await of the end waits for nothing less", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		seen := w.watch("a", backend.Until{Ended: true})
		a.yield(1)
		a.fail()
		a = p.claim(a.Lease.Slot)
		w.cancel("a")
		a.succeed()
		got, err := (<-seen)()
		require.NoError(w.t, err)
		require.Equal(w.t, backend.StatusCancelled, got.Status)
		require.Equal(w.t, got, w.see("a", backend.Until{Ended: true}), "an ended task is returned at once")
		require.Equal(w.t, got, w.see("a", backend.Until{Ended: true, After: got.Version}))
	}},
	{"every ending wakes those who await it", func(w *world) {
		for id, end := range map[string]func(a *attempt){
			"success": func(a *attempt) { a.succeed() },
			"failure": func(a *attempt) { a.fail() },
			"lost":    func(a *attempt) { a.crash("") },
			"cancel":  func(a *attempt) { w.cancel("cancel"); a.release() },
			"leave":   func(a *attempt) { a.leave() },
			"timeout": func(a *attempt) {
				w.sweepUntil(func() bool { return w.status("timeout").Terminal() }, "the timeout")
			},
		} {
			sets := []set{}
			if id == "timeout" {
				sets = append(sets, limits(1, 1))
			}
			p := w.join("p", spec(jobs, backend.Job, sets...))
			a := p.run(task(id, jobs))
			ended, changed := w.watch(id, backend.Until{Ended: true}), w.watch(id, backend.Until{After: w.get(id).Version})
			end(a)
			for _, seen := range []<-chan func() (*backend.Task, error){ended, changed} {
				got, err := (<-seen)()
				require.NoError(w.t, err)
				require.Contains(w.t, []backend.Status{w.status(id), backend.StatusCancelling}, got.Status)
			}
			p.leave()
		}
	}},
	{"many may await one task", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs))
		var all []<-chan func() (*backend.Task, error)
		for range 100 {
			all = append(all, w.watch("a", backend.Until{Ended: true}))
		}
		p.claim(slot.ID).succeed()
		for _, seen := range all {
			got, err := (<-seen)()
			require.NoError(w.t, err)
			require.Equal(w.t, backend.StatusSucceeded, got.Status)
		}
	}},
	{"who follows the versions misses no end", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		last := make(chan *backend.Task, 1)
		w.beside(func() {
			var t backend.Task
			for !t.Status.Terminal() {
				next, err := w.store.Await(w.ctx, "a", backend.Until{After: t.Version})
				if err != nil {
					break
				}
				t = *next
			}
			last <- &t
		})
		for n := uint64(1); n <= 200; n++ {
			a.yield(n)
		}
		a.succeed()
		require.Equal(w.t, w.get("a"), <-last)
	}},
	{"Await of a task that does not exist is not found", func(w *world) {
		w.host()
		for _, until := range []backend.Until{{}, {After: 1}, {Ended: true}} {
			_, err := w.store.Await(w.ctx, "nothing", until)
			require.ErrorIs(w.t, err, backend.ErrNotFound)
		}
	}},
	{"Await of a task that ceases to exist is not found", func(w *world) {
		p := w.host()
		p.run(task("ended", jobs)).succeed()
		a := p.run(task("running", jobs))
		p.start(task("pending", jobs))
		version := func(id string) uint64 { return w.get(id).Version }
		w.remove("running") // CANCELLING, to be deleted
		all := []<-chan func() (*backend.Task, error){
			w.watch("pending", backend.Until{Ended: true}),
			w.watch("ended", backend.Until{After: version("ended")}),
			w.watch("running", backend.Until{After: version("running")}),
		}
		w.remove("pending", "ended")
		a.release()
		for _, seen := range all {
			_, err := (<-seen)()
			require.ErrorIs(w.t, err, backend.ErrNotFound)
		}
	}},
	{"Await of a call ends with the call's record", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		seen := w.watch("a", backend.Until{Ended: true})
		a.succeed()
		if got, err := (<-seen)(); err == nil {
			require.Equal(w.t, backend.StatusSucceeded, got.Status)
		} else {
			require.ErrorIs(w.t, err, backend.ErrNotFound)
		}
	}},
	{"Await ends when its caller quits", func(w *world) {
		w.client("c").start(task("a", jobs))
		quit := make(chan struct{})
		byEnd := w.watch("a", backend.Until{Ended: true, Quit: quit})
		byVersion := w.watch("a", backend.Until{After: w.get("a").Version, Quit: quit})
		close(quit)
		for _, seen := range []<-chan func() (*backend.Task, error){byEnd, byVersion} {
			_, err := (<-seen)()
			require.ErrorIs(w.t, err, backend.ErrQuit)
		}
	}},
}
