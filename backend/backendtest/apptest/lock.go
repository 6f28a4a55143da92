package apptest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var lockRules = []rule{
	{"of 50 concurrent starts from three apps one gets the lock, and the others learn its holder", checkExclusion},
	{"several locks are taken all or none", checkAllOrNone},
	{"every kind of ending frees the locks", checkFreed},
	{"a lock taken while running excludes the runs of other apps", checkTryLock},
	{"lock keys may be any strings", checkOddKeys},
}

// crew is three apps of which all start a job and two execute it.
func (w *world) crew(job mn.Definition) []*node {
	w.t.Helper()
	return []*node{w.worker(job), w.worker(job), w.client(job)}
}

func checkExclusion(w *world) {
	var inside gauge
	var tokens log[uint64]
	gates := make([]*flag, 3)
	for i := range gates {
		gates[i] = newFlag()
	}
	job := mn.NewJob("job", func(ctx context.Context, round int, yield func(int) bool) error {
		defer inside.leave()
		inside.enter()
		tokens.add(mn.FencingToken(ctx))
		yield(round)
		return w.hold(gates[round].ch)
	}, mn.MaxConcurrency(50))
	apps := w.crew(job)
	for round := range gates {
		winner := oneWins(w, job, apps, round)
		require.Equal(w.t, []string{"the one"}, get(w, job.On(apps[2].App), winner).Locks)
		gates[round].raise()
		require.Equal(w.t, round, succeeded(w, job.On(apps[2].App), winner))
	}
	_, most := inside.read()
	require.Equal(w.t, 1, most)
	for i, token := range tokens.entries()[1:] {
		require.Greater(w.t, token, tokens.entries()[i], "fencing tokens grow from holder to holder")
	}
}

// oneWins starts 50 jobs at once that want the same lock, and returns the one that was
// started.
func oneWins(w *world, job *mn.Job[int, int], apps []*node, in int) mn.JobID {
	w.t.Helper()
	var winners log[mn.JobID]
	var refusals log[*mn.LockError]
	for i := range 50 {
		w.beside.Go(func() {
			id, err := job.On(apps[i%len(apps)].App).Start(w.ctx, in, mn.WithLock("the one"))
			var held *mn.LockError
			switch {
			case err == nil:
				winners.add(id)
			case errors.As(err, &held):
				refusals.add(held)
			default:
				w.t.Errorf("start: %v", err)
			}
		})
	}
	w.beside.Wait()
	require.Len(w.t, winners.entries(), 1)
	winner := winners.entries()[0]
	require.Len(w.t, refusals.entries(), 49)
	for _, r := range refusals.entries() {
		require.Equal(w.t, mn.LockError{Key: "the one", Holder: winner}, *r)
	}
	return winner
}

func checkAllOrNone(w *world) {
	goOn := newFlag()
	job := mn.NewJob("job", func(context.Context, int, func(int) bool) error { return w.hold(goOn.ch) })
	apps := w.crew(job)
	first := start(w, job.On(apps[0].App), 0, mn.WithLock("b", "a", "b"))
	for _, n := range apps {
		_, err := job.On(n.App).Start(w.ctx, 0, mn.WithLock("c", "b"))
		require.ErrorIs(w.t, err, mn.ErrLockAlreadyInUse)
	}
	second := start(w, job.On(apps[1].App), 0, mn.WithLock("c"))
	var held []mn.LockInfo
	for l, err := range apps[2].Locks(w.ctx) {
		require.NoError(w.t, err)
		held = append(held, l)
	}
	require.Equal(w.t, []mn.LockInfo{{Key: "a", Holder: first}, {Key: "b", Holder: first}, {Key: "c", Holder: second}}, held)
	goOn.raise()
	succeeded(w, job.On(apps[2].App), first)
	succeeded(w, job.On(apps[2].App), second)
}

func checkFreed(w *world) {
	job := mn.NewJob("job", func(ctx context.Context, how string, yield func(int) bool) error {
		switch yield(1); how {
		case "succeed":
			return nil
		case "fail":
			return errors.New("as told")
		case "panic":
			panic("as told")
		}
		<-ctx.Done() // until the cancel or the timeout
		return nil
	}, mn.Timeout(time.Second))
	apps := w.crew(job)
	for how, want := range map[string]mn.Status{
		"succeed": mn.Succeeded, "fail": mn.Failed, "panic": mn.Failed, "time out": mn.Failed, "cancel": mn.Cancelled,
	} {
		id := start(w, job.On(apps[0].App), how, mn.WithLock("table/"+how, "shared"))
		if how == "cancel" {
			until(w, job.On(apps[2].App), id, func(i mn.JobInfo[int]) bool { return i.Yields > 0 })
			require.NoError(w.t, job.On(apps[2].App).Cancel(w.ctx, id))
		}
		info := ended(w, job.On(apps[1].App), id)
		require.Equal(w.t, want, info.Status, how)
		require.Empty(w.t, info.Locks)
		// Freed with the ending: whoever has seen that finds the lock free.
		again := start(w, job.On(apps[1].App), "succeed", mn.WithLock("table/"+how, "shared"))
		succeeded(w, job.On(apps[2].App), again)
	}
}

func checkTryLock(w *world) {
	var refused log[*mn.LockError]
	goOn := newFlag()
	job := mn.NewJob("job", func(ctx context.Context, _ int, yield func(int) bool) error {
		err := mn.TryLock(ctx, "found", "on the way")
		var held *mn.LockError
		if errors.As(err, &held) {
			refused.add(held)
			return nil
		}
		if err != nil {
			return err
		}
		yield(1)
		return w.hold(goOn.ch)
	})
	apps := w.crew(job)
	first := start(w, job.On(apps[0].App), 0)
	until(w, job.On(apps[2].App), first, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	_, err := job.On(apps[2].App).Start(w.ctx, 0, mn.WithLock("found"))
	require.ErrorIs(w.t, err, mn.ErrLockAlreadyInUse)
	for _, n := range apps {
		require.Equal(w.t, 0, succeeded(w, job.On(n.App), start(w, job.On(n.App), 0)))
	}
	require.Len(w.t, refused.entries(), 3)
	for _, r := range refused.entries() {
		require.Equal(w.t, first, r.Holder)
	}
	goOn.raise()
	require.Equal(w.t, 1, succeeded(w, job.On(apps[1].App), first))
	require.Equal(w.t, 1, succeeded(w, job.On(apps[1].App), start(w, job.On(apps[1].App), 0)), "free again")
}

func checkOddKeys(w *world) {
	goOn := newFlag()
	job := mn.NewJob("job", func(context.Context, int, func(int) bool) error { return w.hold(goOn.ch) },
		mn.MaxConcurrency(30))
	apps := w.crew(job)
	keys := []string{
		" ", "a b", "{}", "{a}", "{a", "a}b{c", "mn:lk:x", "a:b", "a/b/../c", "*", "?[a-z]", "a\x00b", "\x00", "\n", "\r\n",
		"\xff\xfe", "ü", "u\u0308", "日本語", "🔒", `"'\`, "%s%00", "<img onerror=x>", strings.Repeat("k", 1024),
	}
	ids := make([]mn.JobID, len(keys))
	for i, key := range keys {
		ids[i] = start(w, job.On(apps[i%3].App), 0, mn.WithLock(key))
	}
	for i, key := range keys {
		_, err := job.On(apps[(i+1)%3].App).Start(w.ctx, 0, mn.WithLock(fmt.Sprintf("other/%d", i), key))
		var held *mn.LockError
		require.ErrorAs(w.t, err, &held, "%q", key)
		require.Equal(w.t, mn.LockError{Key: key, Holder: ids[i]}, *held)
	}
	holders := make(map[string]mn.JobID)
	for l, err := range apps[2].Locks(w.ctx) {
		require.NoError(w.t, err)
		holders[l.Key] = l.Holder
	}
	require.Len(w.t, holders, len(keys))
	for i, key := range keys {
		require.Equal(w.t, ids[i], holders[key], "%q", key)
		require.Equal(w.t, []string{key}, get(w, job.On(apps[2].App), ids[i]).Locks)
	}
	goOn.raise()
	for _, id := range ids {
		succeeded(w, job.On(apps[2].App), id)
	}
}
