package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// subject is a job that was brought to a status.
type subject struct {
	*process
	id   string
	last *attempt // the attempt in force, or the last one; nil if there was none
	slot string   // of a worker that can claim it
}

// bring makes a job of a status.
func (p *process) bring(id string, to backend.Status) *subject {
	p.t.Helper()
	s := &subject{process: p, id: id, slot: p.start(task(id, jobs, "key")).ID}
	if to == backend.StatusPending {
		return s
	}
	s.last = p.claim(s.slot)
	switch to {
	case backend.StatusSucceeded:
		s.last.succeed()
	case backend.StatusFailed:
		s.last.settle(backend.Settlement{Outcome: backend.Failed, Permanent: true})
	case backend.StatusCancelling:
		p.cancel(id)
	case backend.StatusCancelled:
		p.cancel(id)
		s.last.release()
	}
	p.is(id, to)
	return s
}

// apply tries to make an event happen.
func (s *subject) apply(e backend.Event) {
	s.t.Helper()
	if e == backend.EventCancel {
		s.cancel(s.id)
		return
	}
	if e == backend.EventClaim {
		req := s.request(s.slot)
		req.Cooldown = long
		claim := s.await(req)
		s.eventually(func() bool { return !claim.pending() || s.pool(jobs).Idle == 1 }, "a claim to find or miss the task")
		claim.stop()
		claim.end()
		return
	}
	if s.last == nil {
		return // no lease was ever given, so no worker can say anything
	}
	end := backend.Settlement{Failure: failure("it broke")}
	switch e {
	case backend.EventSucceed:
		end.Outcome = backend.Succeeded
	case backend.EventFail:
		end.Outcome, end.Permanent = backend.Failed, true
	case backend.EventRetry:
		end.Outcome = backend.Failed
	case backend.EventRelease:
		end.Outcome = backend.Released
	}
	s.last.trySettle(end)
}

// transitionRules are the transition table, one rule for each status.
var transitionRules = func() (rules []rule) {
	for _, from := range backend.Statuses {
		rules = append(rules, rule{fmt.Sprintf("every event does to a %s task what the table says", from), func(w *world) {
			p := w.host(retries(1))
			for e := backend.EventClaim; e <= backend.EventCancel; e++ {
				s := p.bring(fmt.Sprint(e), from)
				s.apply(e)
				want, ok := backend.Next(from, e)
				if !ok {
					want = from
				}
				require.Equal(w.t, want, w.status(s.id), "after event %d", e)
				require.Equal(w.t, []string{s.id}, w.page(backend.ListRequest{Statuses: []backend.Status{want}}))
				if want.Terminal() {
					w.free("key")
				} else {
					w.holds(s.id, "key")
				}
				w.cancel(s.id)
				w.exit(s.slot, "")
				w.remove(s.id)
				w.gone(s.id)
			}
		}})
	}
	return rules
}()
