package mn_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// population starts n jobs of which every third waits, every third succeeds and every
// third fails, and returns their IDs, newest first.
func population(t *testing.T, n int) (*mn.Job[int, int], []mn.JobID) {
	t.Helper()
	job := mn.NewJob("mixed", func(ctx context.Context, in int, yield func(int) bool) error {
		yield(in)
		switch in % 3 {
		case 0:
			<-ctx.Done()
		case 1:
			return context.Canceled
		}
		return nil
	}, mn.MaxConcurrency(1000))
	other := mn.NewJob("other", counting)
	app := mntest.New(t, job, other)
	ids := make([]mn.JobID, n)
	for i := range ids {
		start(t, other.On(app), 1)
		ids[i] = start(t, job.On(app), i)
	}
	slices.Reverse(ids)
	return job.On(app), ids
}

func listed(t *testing.T, j *mn.Job[int, int], opts ...mn.ListOption) (ids []mn.JobID) {
	t.Helper()
	for id, err := range j.ListIDs(t.Context(), opts...) {
		require.NoError(t, err)
		ids = append(ids, id)
	}
	var infos []mn.JobID
	for info, err := range j.List(t.Context(), opts...) {
		require.NoError(t, err)
		infos = append(infos, info.ID)
	}
	require.Equal(t, ids, infos, "List and ListIDs agree")
	return ids
}

func TestListIsNewestFirstOverAllPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, ids := population(t, 250)
		require.Equal(t, ids, listed(t, j))
		n := 250
		for info := range j.List(t.Context()) {
			n--
			require.Equal(t, n, info.Result)
		}
	})
}

func TestListFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, ids := population(t, 9) // newest first: succeeded, failed, running, …
		every := func(from, step int) (some []mn.JobID) {
			for i := from; i < len(ids); i += step {
				some = append(some, ids[i])
			}
			return some
		}
		for name, c := range map[string]struct {
			opts []mn.ListOption
			want []mn.JobID
		}{
			"a status":             {[]mn.ListOption{mn.WithStatus(mn.Running)}, every(2, 3)},
			"two statuses":         {[]mn.ListOption{mn.WithStatus(mn.Succeeded), mn.WithStatus(mn.Failed)}, slices.DeleteFunc(slices.Clone(ids), func(id mn.JobID) bool { return slices.Contains(every(2, 3), id) })},
			"a status nobody has":  {[]mn.ListOption{mn.WithStatus(mn.Cancelled)}, nil},
			"no status is all":     {[]mn.ListOption{mn.WithStatus()}, ids},
			"a limit":              {[]mn.ListOption{mn.Limit(4)}, ids[:4]},
			"a limit above all":    {[]mn.ListOption{mn.Limit(400)}, ids},
			"limit 0 is none":      {[]mn.ListOption{mn.Limit(0)}, ids},
			"after one":            {[]mn.ListOption{mn.After(ids[3])}, ids[4:]},
			"after one, a page":    {[]mn.ListOption{mn.After(ids[3]), mn.Limit(2)}, ids[4:6]},
			"after the last":       {[]mn.ListOption{mn.After(ids[8])}, nil},
			"after what never was": {[]mn.ListOption{mn.After("ffffffff-ffff-7fff-bfff-ffffffffffff")}, ids},
			"all together":         {[]mn.ListOption{mn.WithStatus(mn.Failed), mn.After(ids[1]), mn.Limit(1)}, ids[4:5]},
		} {
			require.Equal(t, c.want, listed(t, j, c.opts...), name)
		}
	})
}

func TestPagesByAfterGoOnThoughTheCursorWasRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, ids := population(t, 120)
		var all []mn.JobID
		for opts := []mn.ListOption{mn.Limit(7)}; ; {
			page := listed(t, j, opts...)
			if len(page) == 0 {
				break
			}
			all = append(all, page...)
			last := page[len(page)-1]
			require.NoError(t, j.Remove(t.Context(), last))
			opts = []mn.ListOption{mn.Limit(7), mn.After(last)}
		}
		require.Equal(t, ids, all)
	})
}

func TestListEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, ids := population(t, 150)
		n := 0
		for range j.List(t.Context()) {
			if n++; n == 101 {
				break
			}
		}
		for id := range j.ListIDs(t.Context()) {
			require.Equal(t, ids[0], id)
			break
		}
	})
}

func TestListTellsWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _ := population(t, 3)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for name, c := range map[string]struct {
			ctx  context.Context
			opt  mn.ListOption
			want string
		}{
			"unknown status": {t.Context(), mn.WithStatus("DONE"), `"DONE" is no status`},
			"negative limit": {t.Context(), mn.Limit(-1), "Limit(-1)"},
			"malformed ID":   {t.Context(), mn.After("no-uuid"), `After("no-uuid")`},
			"done context":   {gone, mn.Limit(1), "context canceled"},
		} {
			errs := 0
			for _, err := range j.List(c.ctx, c.opt) {
				require.ErrorContains(t, err, c.want, name)
				errs++
			}
			for _, err := range j.ListIDs(c.ctx, c.opt) {
				require.ErrorContains(t, err, c.want, name)
				errs++
			}
			require.Equal(t, 2, errs, name)
		}
	})
}
