package backendtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// mutation is one step whose repetition must change nothing.
type mutation struct {
	method, name string
	// prepare makes the state before the step and returns the step. The step's
	// answer is reduced to words that are the same in any namespace.
	prepare func(p *process) func() (string, error)
}

// words sums an answer up.
func words[T any](of func(T) string) func(T, error) (string, error) {
	return func(answer T, err error) (string, error) {
		if err != nil {
			return "", err
		}
		return of(answer), nil
	}
}

var (
	settledWords = words(func(s []backend.Settled) string { return fmt.Sprint(s) })
	claimedWords = words(func(as []backend.Assignment) (text string) {
		for _, a := range as {
			text += fmt.Sprint(a.Lease.Task, a.Attempt, a.Yields, " ")
		}
		return text
	})
	cancelWords = words(func(errs []error) string { return fmt.Sprint(errs) })
	silentWords = func(err error) (string, error) { return "", err }
	anyWords    = func(_ any, err error) (string, error) { return "", err }
	// The second answer to a submit may say Existing where the first did not.
	submitWords = words(func(s []backend.Submitted) (text string) {
		for _, x := range s {
			text += fmt.Sprint(x.Err, x.Slot.ID != "", x.Slot.Pool, ";")
		}
		return text
	})
)

// settling makes a mutation of a settlement.
func settling(name, pool string, end backend.Settlement, before ...func(a *attempt)) mutation {
	return mutation{"Settle", name, func(p *process) func() (string, error) {
		a := p.run(task("a", pool))
		for _, f := range before {
			f(a)
		}
		end := end
		end.Lease = a.Lease
		return func() (string, error) { return settledWords(p.store.Settle(p.ctx, []backend.Settlement{end})) }
	}}
}

var mutations = []mutation{
	{"Join", "a join", func(p *process) func() (string, error) {
		p.start(task("a", calls))
		return func() (string, error) { return silentWords(p.store.Join(p.ctx, p.Session, p.inbox)) }
	}},
	{"Leave", "a leave", func(p *process) func() (string, error) {
		p.run(task("a", jobs, "key"))
		p.start(task("b", calls))
		return func() (string, error) { return silentWords(p.store.Leave(p.ctx, p.ID)) }
	}},
	{"Submit", "a start with locks", func(p *process) func() (string, error) {
		subs := []backend.Submission{task("a", jobs, "1", "2"), task("b", jobs, "2")}
		return func() (string, error) { return submitWords(p.store.Submit(p.ctx, p.ID, subs)) }
	}},
	{"Submit", "a call", func(p *process) func() (string, error) {
		subs := []backend.Submission{task("a", calls), nested("b", calls)}
		return func() (string, error) { return submitWords(p.store.Submit(p.ctx, p.ID, subs)) }
	}},
	{"Submit", "a call for an idle worker", func(p *process) func() (string, error) {
		p.rest(calls, p.worker(), long)
		return func() (string, error) {
			return submitWords(p.store.Submit(p.ctx, p.ID, []backend.Submission{task("a", calls)}))
		}
	}},
	{"Cancel", "a cancel of a waiting and a running job", func(p *process) func() (string, error) {
		p.run(task("a", jobs))
		p.start(task("b", jobs, "key"))
		return func() (string, error) { return cancelWords(p.store.Cancel(p.ctx, []string{"a", "b"})) }
	}},
	{"Remove", "a removal", func(p *process) func() (string, error) {
		p.run(task("a", jobs)).succeed()
		p.run(task("b", jobs, "key"))
		p.start(task("c", jobs))
		return func() (string, error) { return silentWords(p.store.Remove(p.ctx, []string{"a", "b", "c", "d"})) }
	}},
	{"Claim", "a first claim", func(p *process) func() (string, error) {
		req := p.request(p.start(task("a", jobs), task("b", jobs)).ID)
		return func() (string, error) { return claimedWords(p.store.Claim(p.ctx, req)) }
	}},
	{"Claim", "a later claim", func(p *process) func() (string, error) {
		slot := p.start(task("a", calls), task("b", calls), task("c", calls)).ID
		p.claim(slot).succeed()
		req := p.request(slot)
		return func() (string, error) { return claimedWords(p.store.Claim(p.ctx, req)) }
	}},
	{"Claim", "a nested claim", func(p *process) func() (string, error) {
		a := p.run(task("a", calls))
		p.start(nested("b", calls), nested("c", calls))
		req := p.request(a.Lease.Slot)
		req.Nested = true
		return func() (string, error) { return claimedWords(p.store.Claim(p.ctx, req)) }
	}},
	{"Heartbeat", "a heartbeat", func(p *process) func() (string, error) {
		a, b := p.run(task("a", jobs)), p.run(task("b", jobs))
		p.cancel("b")
		leases := []backend.Lease{a.Lease, b.Lease, {}}
		answer := words(func(s []backend.LeaseState) string { return fmt.Sprint(s) }) //nolint:staticcheck // QF1010 takes the states for text
		return func() (string, error) { return answer(p.store.Heartbeat(p.ctx, p.ID, leases)) }
	}},
	{"Yield", "a yield", func(p *process) func() (string, error) {
		a := p.run(task("a", jobs))
		a.yield(1)
		return func() (string, error) {
			return silentWords(p.store.Yield(p.ctx, a.Lease, []backend.Yield{value(2), value(3)}))
		}
	}},
	{"Lock", "a lock", func(p *process) func() (string, error) {
		a := p.run(task("a", jobs, "1"))
		return func() (string, error) { return silentWords(p.store.Lock(p.ctx, a.Lease, []string{"2", "3"})) }
	}},
	settling("a job's success", jobs, backend.Settlement{Outcome: backend.Succeeded, Yields: []backend.Yield{value(1)}, Leave: true}),
	settling("a job's failure that is retried", jobs, backend.Settlement{Outcome: backend.Failed, Failure: failure("x")}),
	settling("a job's failure that is retried later", jobs, backend.Settlement{Outcome: backend.Failed, RetryIn: long}),
	settling("a job's failure for ever", jobs, backend.Settlement{Outcome: backend.Failed, Permanent: true, Leave: true}),
	settling("a job's release", jobs, backend.Settlement{Outcome: backend.Released, Leave: true}),
	settling("a call's success", calls, backend.Settlement{Outcome: backend.Succeeded, Result: []byte("result")}),
	settling("a call's failure", calls, backend.Settlement{Outcome: backend.Failed, Failure: failure("x")}),
	settling("a call's failure for ever", calls, backend.Settlement{Outcome: backend.Failed, Permanent: true}),
	settling("a call's release", calls, backend.Settlement{Outcome: backend.Released}),
	settling("a cancelled job's end", jobs, backend.Settlement{Outcome: backend.Succeeded}, func(a *attempt) { a.cancel("a") }),
	settling("a removed job's end", jobs, backend.Settlement{Outcome: backend.Released}, func(a *attempt) { a.remove("a") }),
	{"Reserve", "a reservation", func(p *process) func() (string, error) {
		c := p.client("c")
		c.start(task("a", jobs), task("b", calls))
		return func() (string, error) {
			slots, err := p.store.Reserve(p.ctx, p.ID, []string{jobs, calls})
			return anyWords(slots, err)
		}
	}},
	{"Exit", "an exit", func(p *process) func() (string, error) {
		a := p.run(task("a", jobs, "key"))
		slot := p.start(task("b", calls))
		exits := []backend.SlotExit{{Slot: a.Lease.Slot, Note: "gone"}, {Slot: slot.ID, Note: "no capacity", Refused: true}}
		return func() (string, error) { return silentWords(p.store.Exit(p.ctx, exits)) }
	}},
	{"Sweep", "a sweep", func(p *process) func() (string, error) {
		q := p.join("q", spec("other", backend.Job, limits(1, 1)))
		q.run(task("a", "other", "key"))
		p.eventually(func() bool { return time.Since(p.get("a").Started) > 2*p.Margin+10*time.Millisecond }, "the task to be overdue")
		return func() (string, error) {
			n, err := p.store.Sweep(p.ctx, 100)
			return anyWords(n, err)
		}
	}},
}

// state is all that a reader can see of a namespace, apart from what the clock and
// the random numbers decide.
type state struct {
	Tasks map[string]*backend.Task
	Locks map[string]string
	Pools map[string]backend.PoolInfo
	IDs   []string
	Past  map[string][]backend.PastAttempt
}

func (w *world) state() state {
	w.t.Helper()
	s := state{
		make(map[string]*backend.Task), w.held(), make(map[string]backend.PoolInfo), w.page(backend.ListRequest{}),
		make(map[string][]backend.PastAttempt),
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		s.Tasks[id] = unclock(w.find(id))
		if t := s.Tasks[id]; t != nil && t.Status == backend.StatusPending && !t.NotBefore.IsZero() {
			t.Reason = "" // it counts down
		}
	}
	pools, err := w.store.Pools(w.ctx)
	require.NoError(w.t, err)
	for _, p := range pools {
		reduce(new(string), &p.Oldest)
		s.Pools[p.Spec.Name] = p
	}
	for _, id := range s.IDs {
		for _, a := range w.past(id) {
			reduce(&a.Slot, &a.Started, &a.Ended)
			s.Past[id] = append(s.Past[id], a)
		}
	}
	return s
}

// after does a mutation in a new namespace of a backend with faults, as a caller does:
// again until there is an answer. It returns the answer and the state that is left.
func (m *mutation) after(t tester, b backend.Backend, plan Faults) (string, state) {
	w := newWorld(t, b)
	step := m.prepare(w.host(retries(3), crashes(3), keepYields(5)))
	plan.Methods, plan.Limit = []string{m.method}, 1
	sound := w.store
	w.store = Faulty(b, plan).Namespace(w.name)
	answer, err := step()
	for errors.Is(err, ErrNotSent) || errors.Is(err, ErrReplyLost) {
		answer, err = step()
	}
	require.NoError(t, err)
	w.store = sound
	return answer, w.state()
}

// repeatRules are promise 2, one rule for each mutation.
var repeatRules = func() (rules []rule) {
	for _, m := range mutations {
		rules = append(rules, rule{m.method + ": " + m.name + " whose reply is lost can be repeated", func(w *world) {
			want, wantState := m.after(w.t, w.place, Faults{})
			for fault, plan := range map[string]Faults{
				"reply lost":   {LoseReply: 1},
				"request lost": {FailBefore: 1},
				"done twice":   {Repeat: 1},
			} {
				got, gotState := m.after(w.t, w.place, plan)
				require.Equal(w.t, want, got, fault)
				require.Equal(w.t, wantState, gotState, fault)
			}
		}})
	}
	return append(rules, heartbeatFaultRule, onceRule, readFaultRule)
}()

var onceRule = rule{"faults never do an append or a report twice", func(w *world) {
	w.host().start(task("a", jobs))
	sound, n := w.store, uint64(0)
	for _, c := range []struct {
		plan Faults
		err  error
		done uint64
	}{{Faults{Repeat: 1}, nil, 1}, {Faults{LoseReply: 1}, ErrReplyLost, 1}, {Faults{FailBefore: 1}, ErrNotSent, 0}} {
		faulty := Faulty(w.place, c.plan).Namespace(w.name)
		require.Equal(w.t, c.err, faulty.Append(w.ctx, []backend.Addition{addition("a", backend.LogStream, "x")}))
		require.Equal(w.t, c.err, faulty.Report(w.ctx, []backend.PoolStats{{Pool: jobs, Stats: backend.Stats{Failed: 1}}}))
		n += c.done
		w.store = sound
		require.Len(w.t, w.logged("a"), int(n)) //nolint:gosec // small
		require.Equal(w.t, n, w.pool(jobs).Stats.Failed)
	}
}}

var readFaultRule = rule{"faults befall what is read of journals, attempts and workers", func(w *world) {
	w.host().start(task("a", jobs))
	faulty := Faulty(w.place, Faults{FailBefore: 1}).Namespace(w.name)
	_, err := faulty.Journal(w.ctx, backend.JournalRequest{Job: "a", Stream: backend.LogStream})
	require.ErrorIs(w.t, err, ErrNotSent)
	_, err = faulty.Attempts(w.ctx, "a")
	require.ErrorIs(w.t, err, ErrNotSent)
	_, err = faulty.Workers(w.ctx, jobs, 0, 10)
	require.ErrorIs(w.t, err, ErrNotSent)
}}

var heartbeatFaultRule = rule{"a worker whose heartbeats are lost loses its leases although it was told that it holds them", func(w *world) {
	p := w.joinAs(brief("p", spec(jobs, backend.Job)))
	a := p.run(task("a", jobs))
	sound := w.store
	w.store = Faulty(w.place, Faults{DropHeartbeat: 1}).Namespace(w.name)
	w.sweepUntil(func() bool {
		require.Equal(w.t, []backend.LeaseState{backend.LeaseHeld}, p.beat(a))
		return w.status("a").Terminal()
	}, "the session to expire")
	w.store = sound
	require.ErrorIs(w.t, a.trySettle(backend.Settlement{Outcome: backend.Succeeded}).Err, backend.ErrLeaseLost)
}}
