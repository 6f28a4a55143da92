package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// window is the time over which rates are taken.
const window = 30 * time.Second

// topModel is the state of mn top's screen.
type topModel struct {
	ctx      context.Context // of the program, for what its commands read
	link     *link
	interval time.Duration
	starting sync.Mutex     // of reads, against the end of ctx
	reads    sync.WaitGroup // under way

	width, height int
	history       []*snapshot // of the window, oldest first
	err           error       // of the newest look
	chosen        mn.JobID
	asking        bool // whether to cancel the chosen run
	said          string
}

// Messages of the program.
type (
	lookedMsg struct {
		s   *snapshot
		err error
	}
	lookMsg      struct{}
	cancelledMsg struct {
		id  mn.JobID
		err error
	}
)

// Init implements [tea.Model].
func (m *topModel) Init() tea.Cmd { return m.look }

// look reads a snapshot.
func (m *topModel) look() tea.Msg {
	if !m.begin() {
		return nil
	}
	defer m.reads.Done()
	s, err := m.link.look(m.ctx)
	return lookedMsg{s, err}
}

// begin counts a read, unless the program has ended.
func (m *topModel) begin() bool {
	m.starting.Lock()
	defer m.starting.Unlock()
	if m.ctx.Err() != nil {
		return false
	}
	m.reads.Add(1)
	return true
}

// end waits until no read is under way.
func (m *topModel) end(cancel func()) {
	m.starting.Lock()
	cancel()
	m.starting.Unlock()
	m.reads.Wait()
}

// Update implements [tea.Model].
func (m *topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case lookedMsg:
		m.take(msg)
		return m, tea.Tick(m.interval, func(time.Time) tea.Msg { return lookMsg{} })
	case lookMsg:
		return m, m.look
	case cancelledMsg:
		if m.said = "cancelled " + string(msg.id); msg.err != nil {
			m.said = term.Red(term.Line(msg.err.Error()))
		}
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// take adds a snapshot and drops those that are older than the window.
func (m *topModel) take(msg lookedMsg) {
	if m.err = msg.err; msg.err != nil {
		return
	}
	m.history = append(m.history, msg.s)
	for len(m.history) > 2 && msg.s.Time.Sub(m.history[0].Time) > window {
		m.history = m.history[1:]
	}
}

func (m *topModel) newest() *snapshot {
	if len(m.history) == 0 {
		return nil
	}
	return m.history[len(m.history)-1]
}

// key acts on a key.
func (m *topModel) key(key string) tea.Cmd {
	if m.asking {
		m.asking = false
		if key != "y" {
			return nil
		}
		id := m.chosen
		return func() tea.Msg {
			if !m.begin() {
				return nil
			}
			defer m.reads.Done()
			return cancelledMsg{id, m.link.Cancel(m.ctx, id)}
		}
	}
	switch m.said = ""; key {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "c":
		m.asking = m.chosen != ""
	}
	return nil
}

// move chooses the run above or below.
func (m *topModel) move(by int) {
	s := m.newest()
	if s == nil || len(s.Runs) == 0 {
		return
	}
	at := m.index(s)
	if at < 0 {
		at = -max(by, 0) // so that down chooses the first
	}
	at = max(0, min(at+by, len(s.Runs)-1))
	m.chosen = s.Runs[at].ID
}

func (m *topModel) index(s *snapshot) int {
	for i := range s.Runs {
		if s.Runs[i].ID == m.chosen {
			return i
		}
	}
	return -1
}

// View implements [tea.Model].
func (m *topModel) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	v.WindowTitle = "mn top"
	return v
}

func (m *topModel) text() string {
	s := m.newest()
	if s == nil {
		if m.err != nil {
			return term.Red(term.Line(m.err.Error())) + "\n\nq quit\n"
		}
		return "reading…\n"
	}
	var b strings.Builder
	b.WriteString(m.head(s))
	pools := m.poolTable(s)
	b.WriteString(pools + "\n")
	room := m.height - strings.Count(b.String(), "\n") - 3 // the head of the runs, and the foot
	b.WriteString(m.runTable(s, max(1, room)))
	b.WriteString(m.foot())
	return b.String()
}

func (m *topModel) head(s *snapshot) string {
	var waiting, running, workers, idle int
	for i := range s.infos {
		d := &s.infos[i]
		waiting, running, workers, idle = waiting+d.Pending+d.Delayed, running+d.Running, workers+d.Workers, idle+d.Idle
	}
	line := fmt.Sprintf("%s  %s  %s\nwaiting %s  running %s  workers %s (%s idle)",
		term.Bold("app "+term.Line(m.link.where.App)), term.Faint(term.Line(place(m.link.where))), s.Time.Format("15:04:05"),
		term.Count(float64(waiting)), term.Count(float64(running)), term.Count(float64(workers)), term.Count(float64(idle)))
	if m.err != nil {
		line += "  " + term.Red(term.Line(m.err.Error()))
	}
	return line + "\n\n"
}

func (m *topModel) foot() string {
	switch {
	case m.asking:
		return "\n" + term.Yellow("cancel run "+string(m.chosen)+"? y/n")
	case m.said != "":
		return "\n" + m.said
	}
	return "\n" + term.Faint("↑ ↓ choose a run   c cancel it   q quit")
}
