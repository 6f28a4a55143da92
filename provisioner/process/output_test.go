package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/process"
)

// patience is how long is waited for what must come.
const (
	patience = 20 * time.Second
	slow     = 50 * time.Millisecond
)

// aside prints in a call.
var aside = mn.NewFunction("aside", func(ctx context.Context, n int) (int, error) {
	fmt.Println("in the call")
	mn.Logger(ctx).Info("logged in the call")
	return n, nil
})

// talk prints and logs.
var talk = mn.NewJob("talk", func(ctx context.Context, n int, _ func(int) bool) error {
	fmt.Println("to stdout")
	mn.Logger(ctx).Info("logged", "n", n)
	fmt.Fprintln(os.Stderr, "to stderr")
	if _, err := aside.Call(ctx, n); err != nil {
		return err
	}
	fmt.Print("good bye, without a line's end")
	if n > 0 {
		return errors.New("as told")
	}
	return nil
})

// die crashes in its first attempt.
var die = mn.NewJob("die", func(ctx context.Context, code int, _ func(int) bool) error {
	fmt.Println("attempt", mn.Attempt(ctx))
	if mn.Attempt(ctx) == 1 {
		mn.Logger(ctx).Info("last words")
		fmt.Fprintln(os.Stderr, "crashing on purpose")
		os.Exit(code)
	}
	return nil
}, mn.Retries(1))

// flood prints n lines as fast as it can.
var flood = mn.NewJob("flood", func(_ context.Context, n int, _ func(int) bool) error {
	line := strings.Repeat("x", 99) + "\n"
	for range n {
		_, _ = os.Stdout.WriteString(line)
	}
	fmt.Println("the end")
	return nil
})

// entries follows a run's log to its end.
func (r *rig) entries(id mn.JobID) (all []mn.LogEntry) {
	r.Helper()
	for e, err := range r.app.Logs(r.Context(), id) {
		require.NoError(r, err)
		all = append(all, e)
	}
	return all
}

// texts are the messages of one source, by the workers of one definition.
func texts(all []mn.LogEntry, source mn.LogSource, definition string) (messages []string) {
	for _, e := range all {
		if e.Source == source && e.Definition == definition {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

func TestWhatARunPrintsIsInItsLogOnce(t *testing.T) {
	r := start(t, talk, aside)
	for n, status := range []mn.Status{mn.Succeeded, mn.Failed} {
		id, err := talk.On(r.app).Start(t.Context(), n)
		require.NoError(t, err)
		all := r.entries(id)
		require.Equal(t, []string{"starting up", "to stdout", "to stderr", "good bye, without a line's end"},
			texts(all, mn.FromOutput, "talk"))
		require.Equal(t, []string{"logged"}, texts(all, mn.FromLogger, "talk"))
		require.Equal(t, []string{"logged in the call"}, texts(all, mn.FromLogger, "aside"))
		require.Contains(t, texts(all, mn.FromOutput, "aside"), "in the call")
		for _, e := range all {
			if e.Source == mn.FromOutput && e.Definition == "talk" {
				require.Equal(t, string(id), e.Task)
				require.Equal(t, 1, e.Attempt)
				require.NotEmpty(t, e.Worker)
			}
		}
		info, err := talk.On(r.app).Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, status, info.Status)
	}
	require.NoError(t, r.app.Shutdown(t.Context()))
	printed := r.out.String()
	require.Contains(t, printed, "msg=logged", "the log of the workers goes to the output as well")
	require.NotContains(t, printed, "\x00", "marks are for the parent alone")
}

func TestACrashedAttemptsLastLinesAreInTheLog(t *testing.T) {
	r := start(t, die)
	id, err := die.On(r.app).Start(t.Context(), 3)
	require.NoError(t, err)
	all := r.entries(id)
	byAttempt := make(map[int][]string)
	logged := false
	for _, e := range all {
		if strings.Contains(e.Message, "last words") {
			logged = true // by itself, or as output: there was little time to store it
			continue
		}
		byAttempt[e.Attempt] = append(byAttempt[e.Attempt], e.Message)
	}
	require.True(t, logged, "what was logged just before the crash is lost: %+v", all)
	require.Equal(t, []string{"starting up", "attempt 1", "crashing on purpose"}, byAttempt[1])
	require.Equal(t, []string{"starting up", "attempt 2"}, byAttempt[2])
	info, err := die.On(r.app).Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, mn.Succeeded, info.Status)
}

func TestAFloodIsBoundedAndItsEndIsKept(t *testing.T) {
	r := start(t, flood)
	const n = 300_000
	id, err := flood.On(r.app).Start(t.Context(), n)
	require.NoError(t, err)
	_, err = flood.On(r.app).Wait(t.Context(), id)
	require.NoError(t, err)
	var all []string
	require.Eventually(t, func() bool {
		all = texts(r.entries(id), mn.FromOutput, "flood")
		return slices.Contains(all, "the end")
	}, patience, slow, "the last line did not come")
	require.LessOrEqual(t, len(all), mn.DefaultLogLines)
	left := 0 // by all lines that tell: a slow machine prints for several seconds
	for _, text := range all {
		var some int
		if _, err := fmt.Sscanf(text, "(%d lines left out", &some); err == nil {
			left += some
		}
	}
	require.Greater(t, left, n/2)
	require.Equal(t, strings.Count(r.out.String(), "\n"), n+2, "the output itself has every line")
}

// order is a host that notes what it is told.
type order struct{ told chan string }

func (order) Serve(provisioner.Worker) error                      { return nil }
func (order) Abandon(string)                                      {}
func (o order) Output(_ provisioner.Worker, p provisioner.Output) { o.told <- p.Text }
func (o order) Exited(_ provisioner.Worker, x provisioner.Exit)   { o.told <- x.Note }

func TestTheEndIsReportedWhenAllOutputIsRead(t *testing.T) {
	for range 30 {
		p := process.New(process.Command("sh", "-c", "seq 1 20000; echo last; exit 3"), process.Output(io.Discard))
		host := order{make(chan string, 1000)}
		require.NoError(t, p.Open("app", host))
		p.Launch(provisioner.Worker{ID: "w", Pool: "pool"})
		var before string
		for text := range host.told {
			if strings.HasPrefix(text, "worker process") {
				require.Equal(t, "worker process ended with exit code 3: last", text)
				break
			}
			before += text
		}
		require.True(t, strings.HasSuffix(before, "20000\nlast\n"), "%q", before)
		require.NoError(t, p.Close(t.Context()))
	}
}
