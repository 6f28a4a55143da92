package nomad_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// talk prints and logs, and then returns, fails or crashes, as it is told.
var talk = mn.NewJob("talk", func(ctx context.Context, end string, yield func(string) bool) error {
	fmt.Printf("attempt %d\n", mn.Attempt(ctx))
	mn.Logger(ctx).Info("logged")
	fmt.Fprintln(os.Stderr, "to stderr")
	yield(end)
	switch end {
	case "wait":
		<-ctx.Done()
	case "crash":
		if mn.Attempt(ctx) == 1 {
			time.AfterFunc(0, func() { panic("as told") })
			select {}
		}
	case "fail":
		return mn.Permanent(errors.New("as told"))
	}
	return nil
}, mn.Retries(1))

// entries follows a run's log to its end.
func (r *rig) entries(id mn.JobID) (all []mn.LogEntry) {
	r.Helper()
	for e, err := range r.app.Logs(r.Context(), id) {
		require.NoError(r, err)
		all = append(all, e)
	}
	return all
}

// printed are the lines of an attempt that its worker has printed.
func printed(all []mn.LogEntry, attempt int) (lines []string) {
	for _, e := range all {
		if e.Source == mn.FromOutput && e.Attempt == attempt {
			lines = append(lines, e.Message)
		}
	}
	return lines
}

func TestWhatARunPrintsIsInItsLog(t *testing.T) {
	r := newRig(t, nil, talk)
	for _, end := range []string{"return", "fail"} {
		id, err := talk.On(r.app).Start(t.Context(), end)
		require.NoError(t, err)
		all := r.entries(id)
		require.ElementsMatch(t, []string{"attempt 1", "to stderr"}, printed(all, 1), "of a run that is to %s", end)
		require.Len(t, all, 3, "and what was logged, once")
	}
}

func TestWhatARunPrintsIsShownWhileItRuns(t *testing.T) {
	r := newRig(t, nil, talk)
	job := talk.On(r.app)
	id, err := job.Start(t.Context(), "wait")
	require.NoError(t, err)
	for e, err := range r.app.Logs(t.Context(), id) {
		require.NoError(t, err)
		if e.Message == "to stderr" {
			break
		}
	}
	info, err := job.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, mn.Running, info.Status)
	require.NoError(t, job.Cancel(t.Context(), id))
	_, err = job.Wait(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
}

func TestACrashedWorkersOutputIsSavedWithItsRun(t *testing.T) {
	r := newRig(t, nil, talk)
	id, err := talk.On(r.app).Start(t.Context(), "crash")
	require.NoError(t, err)
	all := r.entries(id)
	require.Contains(t, printed(all, 2), "attempt 2")
	var tail []string
	for _, e := range all {
		if e.Source == mn.FromOutput && e.Attempt == 0 { // the launcher knows the worker, not the attempt
			tail = append(tail, e.Message)
		}
	}
	t.Logf("%q", tail)
	text := strings.Join(tail, "\n")
	require.Contains(t, text, "the last output of this worker")
	require.Contains(t, text, "attempt 1")
	require.Contains(t, text, "panic: as told")
	require.Contains(t, text, "goroutine ")
}
