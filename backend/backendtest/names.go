package backendtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// nasty are names that a store which pastes them into keys unencoded mixes up, with
// each other or with its own keys. No two are equal; all are legal.
var nasty = []string{
	"a", "A", "a:b", "a:", ":a", "a:b:c", "{a}", "a}b{c", "{", "}", "{}", "a b", " a", "a ", "a\x00", "a\x00b", "\x00",
	"a\nb", "a\r\nb", "a/b", "a%3Ab", "a*", "*", "?", "[a]", "a.b", "a,b", "a|b", "a\\b", "\"a\"", "'a'", "$1", "-1", "0",
	"nil", "false", "-inf", "+inf", "(a", "[a", "ä", "a\u0308", "日本", "🂡", "\xff\xfe", strings.Repeat("x", 1000),
}

// shells are names of which some could be mistaken for a pair of others.
var shells = []string{"job", "job:lock", "lock", "jobs:a", "jobs", "a:lock", "queue", "lease"}

var nameRules = []rule{
	{"two calls of Namespace with one name share everything", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs, "key"))
		w.store = w.place.Namespace(w.name)
		w.holds("a", "key")
		require.Equal(w.t, "a", p.claim(slot.ID).Lease.Task)
	}},
	{"two namespaces share nothing", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", jobs, "key"))
		other := newWorld(w.t, w.place)
		other.gone("a")
		require.Empty(w.t, other.held())
		pools, err := other.store.Pools(w.ctx)
		require.NoError(w.t, err)
		require.Empty(w.t, pools)
		require.Empty(w.t, other.page(backend.ListRequest{}))
		_, err = other.store.Heartbeat(w.ctx, p.ID, nil)
		require.ErrorIs(w.t, err, backend.ErrSessionLost)
		got, err := other.store.Settle(w.ctx, []backend.Settlement{{Lease: a.Lease, Outcome: backend.Succeeded}})
		require.NoError(w.t, err)
		require.ErrorIs(w.t, got[0].Err, backend.ErrLeaseLost)

		q := other.host(maxWorkers(1))
		q.start(task("a", jobs, "key"))
		other.remove("a")
		w.is("a", backend.StatusRunning)
		w.holds("a", "key")
	}},
	{"namespaces whose names look alike are kept apart", func(w *world) {
		for _, name := range nasty {
			o := &world{t: w.t, ctx: w.ctx, place: w.place, store: w.place.Namespace(w.name + name)}
			o.client("c").start(task("a", jobs))
			require.Equal(w.t, []string{"a"}, o.page(backend.ListRequest{}), "namespace %q", name)
		}
	}},
	{"IDs of jobs with braces, colons, spaces, NUL and unicode are kept apart", func(w *world) {
		c := w.client("c")
		for _, id := range nasty {
			c.start(task(id, jobs, id))
		}
		for _, id := range nasty {
			got := w.get(id)
			require.Equal(w.t, id, got.ID)
			require.Equal(w.t, "input of "+id, string(got.Input))
		}
		want := slices.Sorted(slices.Values(nasty))
		slices.Reverse(want)
		require.Equal(w.t, want, w.page(backend.ListRequest{}))
		w.cancel(nasty[3])
		w.remove(nasty[5])
		w.is(nasty[3], backend.StatusCancelled)
		require.Len(w.t, w.page(backend.ListRequest{Statuses: []backend.Status{backend.StatusPending}}), len(nasty)-2)
	}},
	{"lock keys with braces, colons, spaces, NUL and unicode are kept apart", func(w *world) {
		c := w.client("c")
		for i, key := range nasty {
			c.start(task(fmt.Sprint("job ", i), jobs, key))
		}
		for i, key := range nasty {
			w.holds(fmt.Sprint("job ", i), key)
			require.Equal(w.t, []string{key}, w.get(fmt.Sprint("job ", i)).Locks)
		}
		w.cancel("job 0")
		require.Len(w.t, w.held(), len(nasty)-1)
	}},
	{"pools, sessions and calls with braces, colons, spaces, NUL and unicode are kept apart", func(w *world) {
		var specs []backend.PoolSpec
		for _, name := range nasty {
			specs = append(specs, spec(name, backend.Function, maxWorkers(1)))
		}
		for _, session := range []string{"{", "a:b", "\x00"} {
			p := w.join(session, specs...)
			for i, name := range nasty {
				id := nasty[len(nasty)-1-i]
				a := p.run(backend.Submission{ID: id, Kind: backend.Function, Pool: name, Input: []byte(name)})
				require.Equal(w.t, name, a.Pool)
				require.Equal(w.t, name, string(a.Input))
				require.Equal(w.t, 1, w.pool(name).Running)
				a.settle(backend.Settlement{Outcome: backend.Succeeded, Result: []byte(name), Leave: true})
				require.Equal(w.t, name, string(p.result(id).Data))
			}
			p.leave()
		}
	}},
	{"names that read like parts of a store's own keys are kept apart", func(w *world) {
		var specs []backend.PoolSpec
		for _, name := range shells {
			specs = append(specs, spec(name, backend.Job))
		}
		p := w.join("session", specs...)
		for _, pool := range shells {
			for _, id := range shells {
				sub := backend.Submission{ID: pool + ":" + id + "|" + pool, Kind: backend.Job, Pool: pool, Locks: []string{pool + ":" + id + "|" + id}}
				p.start(sub)
			}
			require.Len(w.t, w.page(backend.ListRequest{Pool: pool}), len(shells))
		}
		require.Len(w.t, w.held(), len(shells)*len(shells))
	}},
}
