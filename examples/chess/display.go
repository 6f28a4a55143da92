package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/multinode/mn"
)

// display shows a run on its way: each state it is given, the terminal one last.
type display interface {
	show(mn.JobInfo[Progress])
	close()
}

// newDisplay returns a screen for a terminal that can draw, and plain lines for others,
// files and pipes.
func newDisplay(opts options, out io.Writer) display {
	began := time.Now()
	elapsed := func() time.Duration { return time.Since(began) }
	file, ok := out.(*os.File)
	if opts.plain || !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return &lines{picture: picture{options: opts}, out: out, elapsed: elapsed}
	}
	size := func() (height int) {
		_, height, err := term.GetSize(int(file.Fd()))
		if err != nil || height < 1 { // some pseudo terminals do not know
			return 24
		}
		return height
	}
	return newScreen(picture{options: opts, color: true}, out, size, elapsed)
}

// lines prints the position, then each move as it is found.
type lines struct {
	picture
	out     io.Writer
	elapsed func() time.Duration
	begun   bool
	moves   int    // already printed
	told    string // the state that was printed last
}

func (l *lines) show(info mn.JobInfo[Progress]) {
	at := l.known(info)
	if !l.begun {
		l.begun = true
		l.print(l.title())
		if l.title() != l.start.FEN {
			l.print(l.start.FEN)
		}
		l.print("")
	}
	if what := state(info); info.Attempt > 0 && what != l.told { // the short wait for a first worker is no news
		if l.told = what; what != "" {
			l.print("("+what+")", "")
		}
	}
	for ; l.moves < len(at.Moves); l.moves++ { // two at once if one yield overtook another
		then := Progress{Start: at.Start, Of: at.Of, Moves: at.Moves[:l.moves+1]}
		l.print(l.moveLine(then, l.moves), "")
		l.print(l.scene(then, mn.Succeeded)...)
		l.print("", l.bar(then, false)+", "+seconds(l.elapsed()), "")
	}
	if info.Status.Terminal() {
		l.print(l.summary(info, l.elapsed())...)
	}
}

func (l *lines) print(text ...string) {
	for _, line := range text {
		fmt.Fprintln(l.out, line)
	}
}

func (l *lines) close() {}

// tick is how often the screen is drawn anew for the clock's sake.
const tick = 100 * time.Millisecond

// screen is a picture that is drawn over itself.
type screen struct {
	picture
	out     io.Writer
	height  func() int
	elapsed func() time.Duration

	mu    sync.Mutex
	info  mn.JobInfo[Progress]
	drawn int // lines above the cursor that are ours
	ended bool

	quit chan struct{}
	done sync.WaitGroup
}

func newScreen(p picture, out io.Writer, height func() int, elapsed func() time.Duration) *screen {
	s := &screen{picture: p, out: out, height: height, elapsed: elapsed, quit: make(chan struct{})}
	s.done.Go(s.animate)
	return s
}

// animate keeps the clock going between the job's yields.
func (s *screen) animate() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.mu.Lock()
			s.draw()
			s.mu.Unlock()
		case <-s.quit:
			return
		}
	}
}

func (s *screen) show(info mn.JobInfo[Progress]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = info
	s.draw()
	s.ended = info.Status.Terminal()
}

func (s *screen) close() {
	close(s.quit)
	s.done.Wait()
}

// draw replaces the last frame, in one write so that nothing flickers. Lines do not wrap
// meanwhile: a wrapped one would be two, and the next frame would begin too low.
func (s *screen) draw() {
	if s.ended || s.info.Status == "" {
		return
	}
	frame := s.frame()
	var out strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", s.drawn)
	}
	out.WriteString("\r\x1b[?7l")
	for _, line := range frame {
		out.WriteString(line + "\x1b[K\n")
	}
	out.WriteString("\x1b[J\x1b[?7h")
	fmt.Fprint(s.out, out.String())
	s.drawn = len(frame)
}

// frame is the picture of now, in as many lines as the terminal has. The last one may be
// longer: nothing will be drawn over it.
func (s *screen) frame() []string {
	at, ended := s.known(s.info), s.info.Status.Terminal()
	head := append([]string{s.title(), ""}, s.scene(at, s.info.Status)...)
	foot := []string{"", s.bar(at, ended) + "  " + seconds(s.elapsed()) + "  " + s.paint(dim, state(s.info))}
	if ended {
		foot = append(foot, s.summary(s.info, s.elapsed())...)
	}
	list := s.moveList(at)
	if room := s.height() - 1 - len(head) - len(foot) - 1; !ended && len(list) > room {
		list = list[len(list)-max(room, 0):]
	}
	if len(list) > 0 {
		list = append([]string{""}, list...)
	}
	frame := append(append(head, list...), foot...)
	if rows := s.height() - 1; !ended && len(frame) > rows {
		frame = frame[len(frame)-max(rows, 1):]
	}
	return frame
}
