package cli

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// since is what a pool's workers have done in the window.
type since struct {
	stats   mn.Stats
	seconds float64
}

// rates compares the newest snapshot with the oldest of the window.
func (m *topModel) rates(name string) since {
	first, last := m.history[0], m.newest()
	seconds := last.Time.Sub(first.Time).Seconds()
	var old, now *mn.Stats
	for i := range first.infos {
		if first.infos[i].Name == name {
			old = &first.infos[i].Stats
		}
	}
	for i := range last.infos {
		if last.infos[i].Name == name {
			now = &last.infos[i].Stats
		}
	}
	if old == nil || now == nil || seconds <= 0 {
		return since{}
	}
	return since{seconds: seconds, stats: mn.Stats{
		Succeeded: now.Succeeded - min(old.Succeeded, now.Succeeded), Failed: now.Failed - min(old.Failed, now.Failed),
		Wait: now.Wait.Minus(old.Wait), Run: now.Run.Minus(old.Run),
	}}
}

func (s *since) rate(n uint64) string {
	if s.seconds == 0 || n == 0 {
		return ""
	}
	return term.Count(float64(n) / s.seconds)
}

func (m *topModel) poolTable(s *snapshot) string {
	t := &term.Table{
		Head:  []string{"POOL", "KIND", "WAITING", "RUNNING", "WORKERS", "IDLE", "DONE/S", "FAILED/S", "WAIT", "RUN", "NOTE"},
		Right: map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true}, Cut: -1, Width: m.width,
	}
	for i := range s.infos {
		d := &s.infos[i]
		r := m.rates(d.Name)
		t.Add(term.Line(d.Name), d.Kind, fmt.Sprint(d.Pending+d.Delayed), fmt.Sprint(d.Running), workersOf(d), fmt.Sprint(d.Idle),
			r.rate(r.stats.Succeeded), term.Red(r.rate(r.stats.Failed)), spread(&r.stats.Wait), spread(&r.stats.Run), poolNote(d, s.Time))
	}
	if most := m.height / 2; m.height > 0 && len(t.Rows) > most {
		dropped := len(t.Rows) - most
		t.Rows = t.Rows[:most]
		return t.String() + term.Faint(fmt.Sprintf("… and %d more pools", dropped)) + "\n"
	}
	return t.String()
}

// runTable shows as many runs as there is room for, among them the chosen one.
func (m *topModel) runTable(s *snapshot, room int) string {
	first, at := 0, m.index(s)
	if at >= room {
		first = at - room + 1
	}
	runs := s.Runs[first:min(len(s.Runs), first+room)]
	if len(runs) == 0 {
		return term.Faint("no run is waiting or running") + "\n"
	}
	table := runTable(runs, s.Time)
	table.Width = m.width
	var b strings.Builder
	number := first - 1 // of the head
	for line := range strings.Lines(table.String()) {
		if number == at && at >= first {
			line = term.Invert(ansi.Strip(strings.TrimSuffix(line, "\n"))) + "\n"
		}
		b.WriteString(line)
		number++
	}
	return b.String()
}
