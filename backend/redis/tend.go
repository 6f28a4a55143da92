package redis

import (
	"context"
	"strconv"
	"time"
)

// tendEvery is how often results are acknowledged. Each waits for ripening of these turns
// before: a worker which sends an end again, because the reply was lost, still finds the
// record.
const (
	tendEvery = time.Second
	ripening  = 4
)

// lookAfter is the age at which a call's result is looked for, should its message have
// got lost.
const lookAfter = 5 * time.Second

// giveUpAfter is when a submission that was not answered is not repeated any more: callers
// repeat one for 15 s.
const giveUpAfter = 30 * time.Second

// lookMost bounds how many calls one look asks for.
const lookMost = 100

// tend acknowledges results, and looks for those whose message got lost.
func (s *store) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, ses := range s.present() {
				if err := s.acknowledge(ctx, ses, s.ripe(ses)); err != nil && ctx.Err() == nil {
					s.b.opts.Logger.Warn("mn: results not acknowledged, will repeat", "error", err)
				}
				s.lookForResults(ctx, ses, time.Now().Add(-lookAfter))
			}
			s.lookForTasks(ctx)
			s.forgetInHand()
		case <-ctx.Done():
			return
		}
	}
}

func (s *store) present() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.sessions))
	for _, ses := range s.sessions {
		all = append(all, ses)
	}
	return all
}

// recover looks for all that may have been told while the connection was broken.
func (s *store) recover(ctx context.Context) {
	s.changed("")
	s.doubt()
	for _, ses := range s.present() {
		s.lookForResults(ctx, ses, time.Now())
		s.mu.Lock()
		to, pools := ses.inbox, ses.Pools
		s.mu.Unlock()
		for _, p := range pools {
			to.Demand(p.Name)
		}
	}
	s.lookForTasks(ctx)
}

// doubt makes the next look ask after every claim that waits.
func (s *store) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		for _, w := range sl.waiters {
			w.looked = time.Time{}
		}
	}
}

// ripe takes the delivered results that have waited long enough to be acknowledged.
func (s *store) ripe(ses *session) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(ses.ripening) - 1
	acks := ses.ripening[last]
	copy(ses.ripening[1:], ses.ripening[:last])
	ses.ripening[0], ses.acks = ses.acks, nil
	return acks
}

// acknowledge deletes the records of delivered results.
func (s *store) acknowledge(ctx context.Context, ses *session, acks []string) error {
	for len(acks) > 0 {
		n := min(len(acks), 500)
		keys := make([]string, n)
		for i, id := range acks[:n] {
			keys[i] = s.prefix + "t:" + id
		}
		if err := s.b.rdb.Unlink(ctx, keys...).Err(); err != nil {
			s.mu.Lock()
			ses.acks = append(ses.acks, acks...)
			s.mu.Unlock()
			return err
		}
		acks = acks[n:]
	}
	return nil
}

// lookForResults asks for calls submitted before a moment that have no result yet.
func (s *store) lookForResults(ctx context.Context, ses *session, before time.Time) {
	for len(s.lookForSome(ctx, ses, before)) == lookMost && ctx.Err() == nil {
		continue
	}
}

func (s *store) lookForSome(ctx context.Context, ses *session, before time.Time) []string {
	now := time.Now()
	var ids []string
	s.mu.Lock()
	for id, c := range ses.calls {
		switch {
		case !c.answered: // the submission may be on its way, so a missing record tells nothing
			if now.Sub(c.since) > giveUpAfter {
				delete(ses.calls, id)
				if c.ended {
					ses.acks = append(ses.acks, id)
				}
			}
		case len(ids) < lookMost && c.since.Before(before):
			ids = append(ids, id)
			c.since = now // not again too soon
			ses.calls[id] = c
		}
	}
	s.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	tasks, err := s.get(ctx, ids, true)
	if err != nil {
		return nil
	}
	for i, t := range tasks {
		switch {
		case t == nil:
			s.result(ses, []string{ids[i], "F", "", "0", "worker lost", "", "its record is gone"})
		case t.Status.Terminal():
			f := []string{t.ID, letters[t.Status], string(t.Result), strconv.Itoa(t.Attempt), "", "", ""}
			if t.Failure != nil {
				f[4], f[5], f[6] = t.Failure.Code, string(t.Failure.Detail), t.Failure.Note
			}
			s.result(ses, f)
		}
	}
	return ids
}
