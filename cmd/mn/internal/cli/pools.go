package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// poolLine is a pool as mn pools --json prints it. Durations are in seconds.
type poolLine struct {
	Name       string            `json:"name"`
	Kind       string            `json:"kind"` // "job" or "function"
	Serving    bool              `json:"serving"`
	Declared   bool              `json:"declared"`
	Pending    int               `json:"pending"`
	Delayed    int               `json:"delayed"`
	Running    int               `json:"running"`
	Workers    int               `json:"workers"`
	Starting   int               `json:"starting"`
	Idle       int               `json:"idle"`
	MaxWorkers int               `json:"maxWorkers"` // 0: no limit
	Spare      int               `json:"spareWorkers"`
	CPU        float64           `json:"cpu"`
	Memory     int64             `json:"memory"` // bytes
	Timeout    float64           `json:"timeout"`
	Grace      float64           `json:"grace"`
	Retries    int               `json:"retries"`
	KeepYields int               `json:"keepYields"`
	MaxPending int               `json:"maxPending"`
	Blocked    string            `json:"blocked,omitempty"`
	Oldest     time.Time         `json:"oldest,omitzero"` // when the task that is next was submitted
	Jobs       map[mn.Status]int `json:"jobs,omitempty"`  // stored runs
	Succeeded  uint64            `json:"succeeded"`       // attempts, since the app began, like what follows
	Failed     uint64            `json:"failed"`
	Released   uint64            `json:"released"`
	Wait       quantiles         `json:"wait"`
	Run        quantiles         `json:"run"`
}

// quantiles estimate a histogram, in seconds.
type quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

func newQuantiles(h *mn.Histogram) quantiles {
	return quantiles{h.Quantile(0.5).Seconds(), h.Quantile(0.9).Seconds(), h.Quantile(0.99).Seconds()}
}

func newPoolLine(d *mn.DefinitionInfo) poolLine {
	return poolLine{
		Name: d.Name, Kind: d.Kind, Serving: d.Serving, Declared: d.Declared, Pending: d.Pending, Delayed: d.Delayed,
		Running: d.Running, Workers: d.Workers, Starting: d.Starting, Idle: d.Idle, MaxWorkers: d.MaxWorkers,
		Spare: d.SpareWorkers, CPU: d.CPU, Memory: int64(d.Memory), Timeout: d.Timeout.Seconds(), Grace: d.Grace.Seconds(),
		Retries: d.Retries, KeepYields: d.KeepYields, MaxPending: d.MaxPending, Blocked: d.Blocked, Oldest: d.Oldest,
		Jobs: d.Jobs, Succeeded: d.Stats.Succeeded, Failed: d.Stats.Failed, Released: d.Stats.Released,
		Wait: newQuantiles(&d.Stats.Wait), Run: newQuantiles(&d.Stats.Run),
	}
}

func (t *tool) poolsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pools", Aliases: []string{"definitions"}, Short: "List definitions with their queues, workers and times", Args: exactly(),
		Long: `List definitions with their queues, workers and times. WAIT and RUN are the medians and the 99th
percentiles of all attempts so far, as the workers have reported them up to some seconds ago.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				infos, err := l.Definitions(ctx)
				if err != nil {
					return err
				}
				return t.pools(infos, time.Now())
			})
		},
	}
}

func (t *tool) pools(infos []mn.DefinitionInfo, now time.Time) error {
	if t.json {
		for i := range infos {
			if err := t.line(newPoolLine(&infos[i])); err != nil {
				return err
			}
		}
		return nil
	}
	if len(infos) == 0 {
		t.say("no definitions\n")
		return nil
	}
	table := &term.Table{
		Head:  []string{"NAME", "KIND", "WAITING", "RUNNING", "WORKERS", "IDLE", "CPU", "MEMORY", "DONE", "FAILED", "WAIT", "RUN", "NOTE"},
		Right: map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true}, Cut: -1, Width: term.Width(t.Out),
	}
	for i := range infos {
		d := &infos[i]
		failed := term.Count(float64(d.Stats.Failed))
		if d.Stats.Failed > 0 {
			failed = term.Red(failed)
		}
		table.Add(term.Line(d.Name), d.Kind, fmt.Sprint(d.Pending+d.Delayed), fmt.Sprint(d.Running), workersOf(d), fmt.Sprint(d.Idle),
			term.Count(d.CPU), term.Bytes(int64(d.Memory)), term.Count(float64(d.Stats.Succeeded)), failed,
			spread(&d.Stats.Wait), spread(&d.Stats.Run), poolNote(d, now))
	}
	return table.Write(t.out)
}

// workersOf is a pool's number of workers and its limit.
func workersOf(d *mn.DefinitionInfo) string {
	if d.MaxWorkers == 0 {
		return fmt.Sprint(d.Workers)
	}
	return fmt.Sprintf("%d/%d", d.Workers, d.MaxWorkers)
}

// spread is a histogram's median and 99th percentile.
func spread(h *mn.Histogram) string {
	if h.Count() == 0 {
		return ""
	}
	return term.Span(h.Quantile(0.5)) + "…" + term.Span(h.Quantile(0.99))
}

// poolNote says what is unusual about a pool.
func poolNote(d *mn.DefinitionInfo, now time.Time) string {
	var notes []string
	switch {
	case !d.Declared:
		notes = append(notes, term.Yellow("no program has ever had a handler for it"))
	case !d.Serving && d.Pending+d.Delayed > 0:
		notes = append(notes, term.Red("no program that can execute it is there"))
	case !d.Serving:
		notes = append(notes, term.Faint("not served"))
	}
	if d.Starting > 0 {
		notes = append(notes, fmt.Sprintf("%d starting", d.Starting))
	}
	if d.Delayed > 0 {
		notes = append(notes, fmt.Sprintf("%d wait for a retry", d.Delayed))
	}
	if d.Pending > 0 && !d.Oldest.IsZero() {
		notes = append(notes, "next has waited "+term.Span(max(0, now.Sub(d.Oldest)).Truncate(time.Second)))
	}
	if d.Blocked != "" {
		notes = append(notes, term.Yellow(term.Line(d.Blocked)))
	}
	return strings.Join(notes, "; ")
}
