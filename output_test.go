package mn_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/provisioner"
)

// printing is an app on whose workers' behalf the test prints while a run goes on.
type printing struct {
	*testing.T
	app    *mn.App
	made   *fragile
	worker provisioner.Worker
	id     mn.JobID
	job    *mn.Job[int, int]
	finish context.CancelFunc
}

// newPrinting starts a run whose handler waits for finish.
func newPrinting(t *testing.T, cfg mn.Config) *printing {
	t.Helper()
	p := &printing{T: t, made: newFragile()}
	finished, finish := context.WithCancel(context.Background())
	p.finish = finish
	job := mn.NewJob("prints", func(ctx context.Context, _ int, yield func(int) bool) error {
		yield(1)
		select {
		case <-finished.Done():
		case <-ctx.Done():
		}
		return nil
	}, mn.Retries(1), mn.SyncYields())
	cfg.Name, cfg.Definitions, cfg.Provisioner = "printing", []mn.Definition{job}, p.made
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	app, err := mn.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		finish()
		require.NoError(t, app.Close())
	})
	p.app, p.job = app, job.On(app)
	p.id, err = p.job.Start(t.Context(), 0)
	require.NoError(t, err)
	for info, err := range p.job.Watch(t.Context(), p.id) {
		require.NoError(t, err)
		if info.Yields > 0 {
			break
		}
	}
	p.worker = p.made.launched.entries()[0]
	return p
}

func (p *printing) print(by provisioner.Execution, text string) {
	p.made.host.Output(p.worker, provisioner.Output{Execution: by, Text: text})
}

// lines are what the run's log holds now that was printed.
func (p *printing) lines() (all []mn.LogEntry) {
	p.Helper()
	for e, err := range p.app.Logs(p.Context(), p.id, mn.LogNoFollow()) {
		require.NoError(p, err)
		require.Equal(p, mn.FromOutput, e.Source)
		all = append(all, e)
	}
	return all
}

func text(all []mn.LogEntry) string {
	var b strings.Builder
	for _, e := range all {
		b.WriteString(e.Message + "\n")
	}
	return b.String()
}

func TestOutputGoesToTheLogOfItsRun(t *testing.T) {
	codec, err := mn.Encrypt(mn.JSON, mn.Keys{Current: "k", Keys: map[string][]byte{"k": make([]byte, 32)}})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		p := newPrinting(t, mn.Config{Codec: codec})
		p.print(provisioner.Execution{Job: string(p.id), Attempt: 1}, "by the run\r\nnot UTF-8: \xff\n\nafter an empty line")
		p.print(provisioner.Execution{}, "by the worker's slot\n")
		p.print(provisioner.Execution{Job: "018f0000-0000-7000-8000-000000000000"}, "of another run\n")
		pass(time.Second)
		all := p.lines()
		require.Equal(t, "by the run\nnot UTF-8: \uFFFD\n\nafter an empty line\nby the worker's slot\n", text(all))
		require.Equal(t, string(p.id), all[0].Task)
		require.Equal(t, []int{1, 0}, []int{all[0].Attempt, all[4].Attempt})
		require.Equal(t, p.worker.ID, all[0].Worker)
		require.Equal(t, "prints", all[0].Definition)
	})
}

func TestLinesOfALoggerAreNotDoubledUnlessTheirWorkerDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrinting(t, mn.Config{})
		by := provisioner.Execution{Job: string(p.id), Attempt: 1}
		logged := "level=INFO msg=%d mn.worker=" + p.worker.ID + "\n"
		p.print(by, fmt.Sprintf(logged, 1)+"printed\nmn.worker=another\n")
		pass(2 * time.Second)
		require.Equal(t, "printed\nmn.worker=another\n", text(p.lines()))
		p.print(by, fmt.Sprintf(logged, 2))
		p.made.crash("as told")
		pass(time.Second)
		require.Equal(t, "printed\nmn.worker=another\n"+fmt.Sprintf(logged, 2), text(p.lines()),
			"what was logged just before the death may not be stored otherwise, and what was long before is")
	})
}

func TestATailMayRepeatAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrinting(t, mn.Config{})
		p.made.host.Output(p.worker, provisioner.Output{Text: "panic: oh\n", Tail: true})
		p.made.crash("as told") // with the slot the backend forgets whose output it is
		pass(time.Second)
		require.Equal(t, "the last output of this worker, of which lines above may come again:\npanic: oh\n", text(p.lines()))
	})
}

func TestAWorkerThatPrintsWithoutEndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrinting(t, mn.Config{RunLog: mn.RunLog{Lines: 10_000, Size: 10 * mn.MiB}})
		by := provisioner.Execution{Job: string(p.id), Attempt: 1}
		const n = 20_000
		for i := range n {
			p.print(by, fmt.Sprintf("line %d\n", i))
		}
		pass(500 * time.Millisecond)
		first := p.lines()
		require.InDelta(t, 400, len(first), 1, "so many at once")
		pass(2 * time.Second)
		all := p.lines()[len(first):]
		require.Len(t, all, 51)
		require.Equal(t, fmt.Sprintf("(%d lines left out: the worker prints more than 100 lines or 64 KiB a second)", n-len(first)-50), all[0].Message)
		require.Equal(t, fmt.Sprintf("line %d", n-1), all[50].Message, "the newest are kept")
		p.print(by, "quiet again\n")
		pass(time.Second)
		require.Equal(t, "quiet again\n", text(p.lines()[len(first)+len(all):]))

		p.print(by, strings.Repeat(strings.Repeat("x", 5000)+"\n", 200)+"the end\n")
		p.finish()
		pass(3 * time.Second)
		last := p.lines()
		require.Equal(t, "the end", last[len(last)-1].Message)
		size := 0
		for _, e := range last[len(first)+len(all)+1:] {
			size += len(e.Message)
		}
		require.Less(t, size, 400<<10)
	})
}

func TestWithoutARunLogOutputIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrinting(t, mn.Config{RunLog: mn.RunLog{Off: true}})
		p.print(provisioner.Execution{Job: string(p.id)}, "lost\n")
		pass(time.Second)
		require.Empty(t, p.lines())
	})
}
