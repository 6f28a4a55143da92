package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
)

// store is one namespace as this process uses it.
type store struct {
	b      *Backend
	prefix string
	absent string // a key that never exists, see eval
	pipe   *pipe
	inbox  *inbox

	running running

	submits   combiner[submits]
	exchanges combiner[exchange]

	mu       sync.Mutex
	sessions map[string]*session
	slots    map[string]*slot // whose workers live in this process
	watching map[string]*watched
	inHand   map[uint64]time.Time // leases got by asking again, and when: their message may still come
}

// session is a process's presence, with the calls whose results it awaits.
type session struct {
	backend.Session
	inbox backend.Inbox
	calls map[string]pendingCall // unfinished
	// called: it has submitted calls; launched: slots may have been reserved for it.
	called, launched bool
	acks             []string // records of delivered results, to be deleted
	// ripening are those of earlier turns of tend.
	ripening [ripening][]string
}

// pendingCall is a call whose result is awaited, or whose submission may yet be repeated.
type pendingCall struct {
	since    time.Time // it was submitted, or looked for
	answered bool      // its submission was: if its record is gone then, so is the call
	ended    bool      // its result was delivered before that
}

func newStore(b *Backend, namespace string) *store {
	s := &store{
		b: b, prefix: keyPrefix(b.opts.Prefix, namespace), pipe: &pipe{rdb: b.rdb},
		sessions: make(map[string]*session), slots: make(map[string]*slot), watching: make(map[string]*watched),
		inHand: make(map[uint64]time.Time),
	}
	s.absent = s.prefix + "-"
	s.inbox = newInbox(s)
	s.submits.step, s.exchanges.step = s.submitAll, s.exchangeAll
	s.submits.own = (*submits).own
	s.exchanges.own = (*exchange).own
	return s
}

var _ backend.Store = (*store)(nil)

// text runs a script that answers with a string.
func (s *store) text(ctx context.Context, sc *script, args []any) (string, error) {
	reply, err := s.eval(ctx, sc, args)
	if err != nil {
		return "", err
	}
	text, ok := reply.(string)
	if !ok {
		return "", fmt.Errorf("%w: step %q answered %T", errForeign, sc.name, reply)
	}
	return text, nil
}

// texts runs a script that answers with a list of strings, or with one string: a refusal.
func (s *store) texts(ctx context.Context, sc *script, args []any) (list []string, refusal string, err error) {
	reply, err := s.eval(ctx, sc, args)
	if err != nil {
		return nil, "", err
	}
	switch r := reply.(type) {
	case string:
		return nil, r, nil
	case []any:
		list = make([]string, len(r))
		for i, v := range r {
			var ok bool
			if list[i], ok = v.(string); !ok {
				return nil, "", fmt.Errorf("%w: step %q answered a list with %T", errForeign, sc.name, v)
			}
		}
		return list, "", nil
	}
	return nil, "", fmt.Errorf("%w: step %q answered %T", errForeign, sc.name, reply)
}

// full reports whether the server refused a step because its memory is full.
func full(err error) bool {
	return err != nil && strings.Contains(err.Error(), "OOM command not allowed")
}

// Join implements [backend.Store].
func (s *store) Join(ctx context.Context, j backend.Session, in backend.Inbox) error {
	args := []any{
		schema, j.ID, j.Label, millis(j.Lease), millis(j.Margin), millis(j.Starting), flag(j.Launches),
		int64(j.Quota.CPU*1000 + 0.5), j.Quota.Memory, len(j.Pools),
	}
	for _, p := range j.Pools {
		args = append(args, p.Name, int(p.Kind), p.MaxWorkers, p.Spare, int64(p.CPU*1000+0.5), p.Memory,
			millis(p.Timeout), millis(p.Grace), p.Retries, p.CrashBudget, p.KeepYields, p.MaxPending)
	}
	s.mu.Lock()
	ses, known := s.sessions[j.ID]
	if !known {
		ses = &session{calls: make(map[string]pendingCall)}
		s.sessions[j.ID] = ses
	}
	ses.Session, ses.inbox = j, in
	ses.launched = ses.launched || j.Launches
	s.mu.Unlock()
	if err := s.inbox.listen(ctx, j.ID); err != nil {
		return err
	}
	reply, err := s.text(ctx, scriptJoin, args)
	if err == nil && reply != "OK" {
		err = s.joinError(reply)
	}
	return err
}

// Leave implements [backend.Store].
func (s *store) Leave(ctx context.Context, id string) error {
	s.mu.Lock()
	ses := s.sessions[id]
	callless, slotless := ses != nil && !ses.called, ses != nil && !ses.launched
	for _, sl := range s.slots {
		slotless = slotless && sl.session != id
	}
	s.mu.Unlock()
	if _, err := s.text(ctx, scriptLeave, []any{id, flag(callless), flag(slotless)}); err != nil {
		return err
	}
	s.mu.Lock()
	ses = s.sessions[id]
	delete(s.sessions, id)
	s.mu.Unlock()
	s.inbox.ignore(ctx, id)
	if ses == nil {
		return nil
	}
	s.mu.Lock()
	acks := slices.Concat(append(ses.ripening[:], ses.acks)...)
	for id, c := range ses.calls {
		if c.ended {
			acks = append(acks, id)
		}
	}
	s.mu.Unlock()
	return s.acknowledge(ctx, ses, acks)
}

// submits is what one Submit wants done.
type submits struct {
	session string
	tasks   []backend.Submission
	answers []backend.Submitted
	err     error
}

// own makes x keep its slices.
func (x *submits) own() {
	x.tasks = slices.Clone(x.tasks)
	for i := range x.tasks {
		x.tasks[i].Locks = slices.Clone(x.tasks[i].Locks)
	}
}

// Submit implements [backend.Client].
func (s *store) Submit(ctx context.Context, id string, tasks []backend.Submission) ([]backend.Submitted, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now, bytes := time.Now(), 0
	s.mu.Lock()
	ses := s.sessions[id]
	for i := range tasks {
		bytes += len(tasks[i].Input)
		if ses != nil && tasks[i].Kind == backend.Function {
			c := ses.calls[tasks[i].ID] // known if the submission is a repeat
			c.since = now
			ses.calls[tasks[i].ID] = c // before the result can come
			ses.called = true
		}
	}
	s.mu.Unlock()
	x := submits{session: id, tasks: tasks}
	if err := s.submits.do(ctx, &x, weight(len(tasks), bytes)); err != nil {
		return nil, err
	}
	if x.err != nil {
		return nil, x.err
	}
	s.submissionsAnswered(ses, tasks, x.answers)
	return x.answers, nil
}

// submitAll does what several Submits want, those that follow each other and are of one
// session together.
func (s *store) submitAll(xs []*submits) {
	for from := 0; from < len(xs); {
		to, n := from, 0
		for to < len(xs) && xs[to].session == xs[from].session {
			n += len(xs[to].tasks)
			to++
		}
		s.submitSome(xs[from:to], n)
		from = to
	}
}

// submitArgs are submit.lua's, for n tasks.
func submitArgs(xs []*submits, n int) []any {
	args := append(make([]any, 0, 2+8*n), xs[0].session, n)
	for _, x := range xs {
		for i := range x.tasks {
			t := &x.tasks[i]
			args = append(args, t.ID, int(t.Kind), t.Pool, t.Depth, fixedPart(t), len(t.Locks))
			for _, key := range t.Locks {
				args = append(args, key)
			}
		}
	}
	return args
}

// submitSome runs submit.lua for n tasks.
func (s *store) submitSome(xs []*submits, n int) {
	replies, refusal, err := s.texts(context.Background(), scriptSubmit, submitArgs(xs, n))
	switch {
	case len(xs) > 1 && (full(err) || errors.Is(err, backend.ErrForeign)): // which may concern some alone
		for i := range xs {
			s.submitSome(xs[i:i+1], len(xs[i].tasks))
		}
		return
	case full(err):
		for _, x := range xs {
			x.answers = make([]backend.Submitted, len(x.tasks))
			for i := range x.answers {
				x.answers[i].Err = backend.ErrBackpressure
			}
		}
		return
	case err != nil:
	case refusal == "session":
		err = backend.ErrSessionLost
	case len(replies) != n:
		err = errForeign
	}
	answer(xs, replies, err)
}

// answer gives each of several Submits its part of submit.lua's replies, or the error.
func answer(xs []*submits, replies []string, err error) {
	for _, x := range xs {
		if x.err = err; err == nil {
			x.read(replies[:len(x.tasks)])
			replies = replies[len(x.tasks):]
		}
	}
}

// read fills in the answers.
func (x *submits) read(replies []string) {
	x.answers = make([]backend.Submitted, len(x.tasks))
	for i := range x.tasks {
		if x.answers[i], x.err = submitted(&x.tasks[i], replies[i]); x.err != nil {
			return
		}
	}
}

// submissionsAnswered notes of calls that the backend has them, or refused them.
func (s *store) submissionsAnswered(ses *session, tasks []backend.Submission, answers []backend.Submitted) {
	if ses == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range tasks {
		c, waiting := ses.calls[tasks[i].ID]
		switch {
		case !waiting: // a job
		case c.ended:
			delete(ses.calls, tasks[i].ID)
			ses.acks = append(ses.acks, tasks[i].ID)
		case answers[i].Err != nil:
			delete(ses.calls, tasks[i].ID)
		default:
			c.answered = true
			ses.calls[tasks[i].ID] = c
		}
	}
}

// submitted reads submit.lua's answer for one task.
func submitted(t *backend.Submission, reply string) (backend.Submitted, error) {
	if held, ok := strings.CutPrefix(reply, "lock"); ok {
		return backend.Submitted{Err: lockError(held)}, nil
	}
	rest, existing := strings.CutPrefix(reply, "=")
	if id, ok := strings.CutPrefix(rest, "S"); ok {
		return backend.Submitted{Existing: existing, Slot: backend.Slot{ID: id, Pool: t.Pool}}, nil
	}
	switch reply {
	case "":
		return backend.Submitted{}, nil
	case "=":
		return backend.Submitted{Existing: true}, nil
	case "kind":
		return backend.Submitted{Err: backend.ErrWrongKind}, nil
	case "exists":
		return backend.Submitted{Err: backend.ErrTaskExists}, nil
	case "full":
		return backend.Submitted{Err: backend.ErrBackpressure}, nil
	}
	return backend.Submitted{}, errForeign
}

func lockError(text string) error {
	f, err := netstrings(text)
	if err != nil || len(f) != 2 {
		return errForeign
	}
	return &backend.LockError{Key: f[0], Holder: f[1]}
}

// Cancel implements [backend.Client].
func (s *store) Cancel(ctx context.Context, ids []string) ([]error, error) {
	reply, err := s.text(ctx, scriptCancel, list(ids))
	if err != nil {
		return nil, err
	}
	if len(reply) != len(ids) {
		return nil, errForeign
	}
	errs := make([]error, len(ids))
	for i := range ids {
		if reply[i] == 'N' {
			errs[i] = backend.ErrNotFound
		}
	}
	return errs, nil
}

// Remove implements [backend.Client].
func (s *store) Remove(ctx context.Context, ids []string) error {
	_, err := s.text(ctx, scriptRemove, list(ids))
	return err
}

// list is a number of values and the values, as scripts read them.
func list(values []string) []any {
	args := make([]any, 0, 1+len(values))
	args = append(args, len(values))
	for _, v := range values {
		args = append(args, v)
	}
	return args
}

var errClosed = errors.New("redis: the backend is closed")
