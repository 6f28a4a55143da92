package backendtest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// roomy is a limit that no case reaches by chance.
var roomy = backend.Limit{Entries: 10_000, Bytes: 1 << 30}

// addition is entries for a stream of a job.
func addition(job string, s backend.Stream, texts ...string) backend.Addition {
	a := backend.Addition{Job: job, Stream: s, Limit: roomy}
	for _, text := range texts {
		a.Data = append(a.Data, []byte(text))
	}
	return a
}

// bySlot is entries for the job of a slot.
func bySlot(slot string, texts ...string) backend.Addition {
	a := addition("", backend.LogStream, texts...)
	a.Slot = slot
	return a
}

func (w *world) append(additions ...backend.Addition) {
	w.t.Helper()
	require.NoError(w.t, w.store.Append(w.ctx, additions))
}

// journal reads entries, each as its number, a space and its text.
func (w *world) journal(req backend.JournalRequest) []string {
	w.t.Helper()
	entries, err := w.store.Journal(w.ctx, req)
	require.NoError(w.t, err)
	texts := []string{}
	for _, e := range entries {
		texts = append(texts, fmt.Sprintf("%d %s", e.Number, e.Data))
	}
	return texts
}

// logged reads a job's log.
func (w *world) logged(job string) []string {
	w.t.Helper()
	return w.journal(backend.JournalRequest{Job: job, Stream: backend.LogStream})
}

// unjournaled checks that a job, and so its journal, does not exist.
func (w *world) unjournaled(job string) {
	w.t.Helper()
	_, err := w.store.Journal(w.ctx, backend.JournalRequest{Job: job, Stream: backend.LogStream})
	require.ErrorIs(w.t, err, backend.ErrNotFound, "journal of %s", job)
}

var journalRules = []rule{
	{"entries are numbered from 1, across appends and attempts", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		require.Empty(w.t, w.logged("a"))
		w.append(addition("a", backend.LogStream, "x", "y"))
		a.fail()
		w.append(addition("a", backend.LogStream, "z"), addition("a", backend.LogStream, "", "\x00\xff\r\n"))
		require.Equal(w.t, []string{"1 x", "2 y", "3 z", "4 ", "5 \x00\xff\r\n"}, w.logged("a"))
	}},
	{"a stream that does not exist is refused, and nothing of its batch stored", func(w *world) {
		w.host().start(task("a", jobs))
		for _, s := range []backend.Stream{0, 3, 255} {
			additions := []backend.Addition{addition("a", backend.LogStream, "x"), addition("a", s, "y")}
			require.ErrorContains(w.t, w.store.Append(w.ctx, additions), "choose backend.LogStream")
			_, err := w.store.Journal(w.ctx, backend.JournalRequest{Job: "a", Stream: s})
			require.ErrorContains(w.t, err, "choose backend.LogStream")
		}
		require.Empty(w.t, w.journal(backend.JournalRequest{Job: "a", Stream: backend.LogStream}))
	}},
	{"streams and jobs are kept apart", func(w *world) {
		w.host().start(task("a", jobs), task("ab", jobs), task("1:a", jobs))
		w.append(
			addition("a", backend.LogStream, "log of a"), addition("a", backend.CallStream, "call of a"),
			addition("ab", backend.CallStream, "call of ab"), addition("1:a", backend.LogStream, "log of 1:a"),
		)
		require.Equal(w.t, []string{"1 log of a"}, w.logged("a"))
		require.Equal(w.t, []string{"1 call of a"}, w.journal(backend.JournalRequest{Job: "a", Stream: backend.CallStream}))
		require.Equal(w.t, []string{"1 call of ab"}, w.journal(backend.JournalRequest{Job: "ab", Stream: backend.CallStream}))
		require.Equal(w.t, []string{"1 log of 1:a"}, w.logged("1:a"))
		require.Empty(w.t, w.logged("ab"))
	}},
	{"beyond Limit.Entries the oldest go, and numbers go on", func(w *world) {
		w.host().start(task("a", jobs))
		for i := range 5 {
			a := addition("a", backend.LogStream, fmt.Sprint("x", i), fmt.Sprint("y", i))
			a.Limit.Entries = 3
			w.append(a)
			require.LessOrEqual(w.t, len(w.logged("a")), 3)
		}
		require.Equal(w.t, []string{"8 y3", "9 x4", "10 y4"}, w.logged("a"))
		a := addition("a", backend.LogStream, "1", "2", "3", "4")
		a.Limit.Entries = 1
		w.append(a)
		require.Equal(w.t, []string{"14 4"}, w.logged("a"))
	}},
	{"beyond Limit.Bytes the oldest go, if need be all, and numbers go on", func(w *world) {
		w.host().start(task("a", jobs))
		limited := func(texts ...string) {
			a := addition("a", backend.LogStream, texts...)
			a.Limit.Bytes = 10
			w.append(a)
		}
		limited("12345", "6789")
		require.Equal(w.t, []string{"1 12345", "2 6789"}, w.logged("a"))
		limited("0")
		require.Equal(w.t, []string{"1 12345", "2 6789", "3 0"}, w.logged("a"))
		limited("x")
		require.Equal(w.t, []string{"2 6789", "3 0", "4 x"}, w.logged("a"))
		limited(strings.Repeat("y", 11))
		require.Empty(w.t, w.logged("a"))
		limited("z", strings.Repeat("z", 10))
		require.Equal(w.t, []string{"7 zzzzzzzzzz"}, w.logged("a"))
	}},
	{"each stream has its own numbers and bounds", func(w *world) {
		w.host().start(task("a", jobs))
		small := addition("a", backend.CallStream, "1", "2", "3")
		small.Limit = backend.Limit{Entries: 2, Bytes: 100}
		w.append(addition("a", backend.LogStream, "x"), small, addition("a", backend.LogStream, "y"), small)
		require.Equal(w.t, []string{"1 x", "2 y"}, w.logged("a"))
		require.Equal(w.t, []string{"5 2", "6 3"}, w.journal(backend.JournalRequest{Job: "a", Stream: backend.CallStream}))
	}},
	{"After, Last and Limit choose entries, the oldest first", func(w *world) {
		w.host().start(task("a", jobs))
		a := addition("a", backend.LogStream, "1", "2", "3", "4", "5", "6", "7", "8")
		a.Limit.Entries = 6
		w.append(a)
		all := []string{"3 3", "4 4", "5 5", "6 6", "7 7", "8 8"}
		for _, after := range []uint64{0, 1, 2, 3, 5, 7, 8, 9, math.MaxUint64} {
			for _, last := range []int{0, 1, 4, 6, 7, math.MaxInt} {
				for _, limit := range []int{0, 1, 3, 6, 1000} {
					want := all[min(max(after, 2)-2, 6):]
					if last > 0 {
						want = want[max(0, len(want)-last):]
					}
					if limit > 0 {
						want = want[:min(limit, len(want))]
					}
					req := backend.JournalRequest{Job: "a", Stream: backend.LogStream, After: after, Last: last, Limit: limit}
					require.Equal(w.t, want, w.journal(req), "%+v", req)
				}
			}
		}
	}},
	{"one append may be large, and a page without limit has 100 entries", func(w *world) {
		const n = 2500
		w.host().start(task("a", jobs), task("b", jobs))
		texts := make([]string, n)
		for i := range texts {
			texts[i] = fmt.Sprint(i + 1)
		}
		w.append(addition("b", backend.LogStream, "x"), addition("a", backend.LogStream, texts...), addition("b", backend.LogStream, "y"))
		page := w.logged("a")
		require.Len(w.t, page, backend.DefaultPage)
		require.Equal(w.t, "100 100", page[len(page)-1])
		all := w.journal(backend.JournalRequest{Job: "a", Stream: backend.LogStream, Limit: 10 * n})
		require.Len(w.t, all, n)
		require.Equal(w.t, "2500 2500", all[n-1])
		require.Equal(w.t, []string{"1 x", "2 y"}, w.logged("b"))
		large := addition("b", backend.LogStream, strings.Repeat("l", 1<<20), strings.Repeat("m", 1<<20), "s")
		w.append(large)
		got := w.logged("b")
		require.Len(w.t, got, 5)
		require.Len(w.t, got[3], 2+1<<20)
		require.Equal(w.t, "5 s", got[4])
	}},
	{"there is no journal of a call or of what does not exist", func(w *world) {
		w.host().start(task("c", calls))
		w.append(addition("c", backend.LogStream, "x"), addition("nothing", backend.CallStream, "x"))
		w.unjournaled("c")
		w.unjournaled("nothing")
	}},
	{"entries for jobs that do not exist are dropped, those sent with them are not", func(w *world) {
		p := w.host()
		w.append(addition("a", backend.LogStream, "too early"))
		p.start(task("a", jobs))
		w.append(addition("b", backend.LogStream, "x"), addition("a", backend.LogStream, "y"), bySlot("nowhere", "z"))
		require.Equal(w.t, []string{"1 y"}, w.logged("a"))
		w.append()
		p.start(task("b", jobs))
		require.Empty(w.t, w.logged("b"))
	}},
	{"a job that has ended still gets entries", func(w *world) {
		w.host().run(task("a", jobs)).succeed()
		w.append(addition("a", backend.LogStream, "last words"))
		require.Equal(w.t, []string{"1 last words"}, w.logged("a"))
		require.Equal(w.t, backend.StatusSucceeded, w.status("a"))
	}},
	{"a journal is removed with its job, and does not come back", func(w *world) {
		p := w.host()
		end := backend.Settlement{Outcome: backend.Succeeded, Leave: true}
		for range 2 {
			a := p.run(task("a", jobs))
			require.Empty(w.t, w.logged("a"))
			w.append(addition("a", backend.LogStream, "x"), addition("a", backend.CallStream, "y"))
			require.Equal(w.t, []string{"1 x"}, w.logged("a"), "numbers begin anew")
			a.settle(end)
			w.remove("a")
			w.append(addition("a", backend.LogStream, "z"), bySlot(a.Lease.Slot, "z"))
			w.unjournaled("a")
		}
		b := p.run(task("a", jobs))
		w.append(addition("a", backend.LogStream, "x"))
		w.remove("a") // when it has ended
		w.append(addition("a", backend.LogStream, "y"))
		require.Equal(w.t, []string{"1 x", "2 y"}, w.logged("a"))
		b.settle(end)
		w.append(addition("a", backend.LogStream, "z"))
		w.unjournaled("a")
		p.start(task("a", jobs))
		require.Empty(w.t, w.logged("a"))
	}},
	{"entries by slot are for the job that the slot executes", func(w *world) {
		p := w.host()
		a, b := p.run(task("a", jobs)), p.run(task("b", jobs))
		starting := p.start(task("c", jobs)).ID
		w.append(bySlot(b.Lease.Slot, "1"), bySlot(a.Lease.Slot, "2"), bySlot(b.Lease.Slot, "3"), bySlot(starting, "4"), bySlot("", "5"))
		require.Equal(w.t, []string{"1 2"}, w.logged("a"))
		require.Equal(w.t, []string{"1 1", "2 3"}, w.logged("b"))
		require.Empty(w.t, w.logged("c"))
		a.succeed()
		w.append(bySlot(a.Lease.Slot, "after"))
		require.Len(w.t, w.logged("a"), 1, "the slot executes it no more")
		b.crash("")
		w.append(bySlot(b.Lease.Slot, "after"))
		require.Len(w.t, w.logged("b"), 2)
	}},
	{"entries by slot are for the job for which the slot executes a call", func(w *world) {
		p := w.host()
		p.run(task("a", jobs))
		for i, root := range []string{"a", "", "nothing"} {
			sub := task(fmt.Sprint("call ", i), calls)
			sub.Root = root
			c := p.run(sub)
			w.append(bySlot(c.Lease.Slot, "of "+sub.ID))
			c.succeed()
			w.append(bySlot(c.Lease.Slot, "idle"))
		}
		require.Equal(w.t, []string{"1 of call 0"}, w.logged("a"))
		traced := task("traced", calls)
		traced.Trace = "a" // is no root
		w.append(bySlot(p.run(traced).Lease.Slot, "x"))
		require.Len(w.t, w.logged("a"), 1)
	}},
	{"appends at the same time lose nothing", func(w *world) {
		w.host().start(task("a", jobs))
		together(8, func(i int) {
			for n := range 10 {
				w.append(addition("a", backend.LogStream, fmt.Sprint(i, " ", n)))
			}
		})
		var texts []string
		for i, text := range w.logged("a") {
			number, rest, _ := strings.Cut(text, " ")
			require.Equal(w.t, fmt.Sprint(i+1), number)
			texts = append(texts, rest)
		}
		slices.Sort(texts)
		require.Len(w.t, slices.Compact(texts), 80)
	}},
	{"who reads a journal does not see it change", func(w *world) {
		w.host().start(task("a", jobs))
		small := addition("a", backend.LogStream, "x", "y")
		small.Limit.Entries = 2
		w.append(small)
		before, err := w.store.Journal(w.ctx, backend.JournalRequest{Job: "a", Stream: backend.LogStream})
		require.NoError(w.t, err)
		small.Data[0] = []byte("other") // the slice belongs to the caller again
		w.append(small)
		require.Equal(w.t, "x", string(before[0].Data))
		require.Equal(w.t, []string{"3 other", "4 y"}, w.logged("a"))
	}},
}
