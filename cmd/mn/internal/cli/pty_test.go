//go:build unix

package cli_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/cli"
)

// program builds the real program, once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mn-test-")
	if err != nil {
		return "", err
	}
	programDir = dir
	bin := filepath.Join(dir, "mn")
	out, err := exec.Command("go", "build", "-o", bin, "../..").CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return bin, nil
})

// screen is the real program in a terminal of its own.
type screen struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	mu   sync.Mutex // guards term's writes and reads, and raw
	term *vt.Emulator
	raw  strings.Builder
	done sync.WaitGroup
}

// onScreen starts a command in a terminal.
func (r *rig) onScreen(args ...string) *screen {
	r.t.Helper()
	bin, err := program()
	require.NoError(r.t, err)
	s := &screen{t: r.t, cmd: exec.Command(bin, args...), term: vt.NewEmulator(140, 30)}
	s.cmd.Env = append(os.Environ(), r.environ...)
	s.tty, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 30, Cols: 140})
	require.NoError(r.t, err)
	s.done.Go(func() { // what the terminal answers to questions
		_, _ = io.Copy(s.tty, s.term)
	})
	s.done.Go(func() {
		defer func() { _ = s.term.InputPipe().(io.Closer).Close() }() // ends the other goroutine
		buf := make([]byte, 32<<10)
		for {
			n, err := s.tty.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.raw.Write(buf[:n])
			_, _ = s.term.Write(buf[:n])
			s.mu.Unlock()
		}
	})
	r.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.tty.Close()
		s.done.Wait()
	})
	return s
}

// text is what the screen shows now.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term.String()
}

// shows waits until the screen shows a text.
func (s *screen) shows(text string) {
	s.t.Helper()
	if !within(func() bool { return strings.Contains(s.text(), text) }) {
		s.t.Fatalf("the screen does not show %q:\n%s", text, s.text())
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	_, err := s.tty.WriteString(keys)
	require.NoError(s.t, err)
}

// ends waits for the program's end and returns its exit code and all that it wrote.
func (s *screen) ends() (int, string) {
	s.t.Helper()
	_ = s.cmd.Wait()
	if !within(func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.raw.Len() > 0
	}) {
		s.t.Fatal("the program wrote nothing")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.ProcessState.ExitCode(), s.raw.String()
}

const interrupt = "\x03"

func TestTopShowsAndCancels(t *testing.T) {
	r := newRig(t)
	evil := mn.NewJob("evil", func(_ context.Context, _ int, yield func(step) bool) error {
		yield(step{Rows: mn.Progress{Done: 1, Total: 4, Message: hostile}})
		<-r.gate
		return nil
	}, mn.SyncYields())
	r.open("shop", mn.JSON, evil)
	r.start("evil", "1")
	id := r.start("hold", `"x"`)
	r.until(id, mn.Running)
	s := r.onScreen("top", "-i", "200ms")
	s.shows("app shop")
	s.shows(`owned\x07\x1b[2J\u009b1m\u202eevil`)
	s.shows(id)
	s.press("\x1b[B") // down: the newest run is chosen
	s.press("c")
	s.shows("cancel run " + id + "? y/n")
	s.press("n")
	s.shows("q quit")
	s.press("c")
	s.shows("y/n")
	s.press("y")
	s.shows("cancelled " + id)
	r.until(id, mn.Cancelled)
	s.press("q")
	code, raw := s.ends()
	require.Zero(t, code)
	require.Contains(t, raw, "\x1b[?1049h", "a screen of its own")
	require.Contains(t, raw, "\x1b[?1049l", "which it leaves")
	require.NotContains(t, raw, "owned\x07")
	r.gate <- struct{}{}
}

func TestCtrlCEndsTopWatchAndLogs(t *testing.T) {
	r := newRig(t)
	id := r.start("import", "4")
	r.gate <- struct{}{}
	top := r.onScreen("top")
	top.shows("import")
	top.press(interrupt)
	code, raw := top.ends()
	require.Zero(t, code)
	require.Contains(t, raw, "\x1b[?25h", "the cursor is shown again")

	watch := r.onScreen("watch", id)
	watch.shows(" 25%  1/4 rows  reading")
	r.gate <- struct{}{}
	watch.shows(" 50%  2/4 rows  reading")
	require.NotContains(t, watch.text(), "25%", "it is drawn in place")
	watch.press(interrupt)
	code, _ = watch.ends()
	require.Equal(t, cli.ExitInterrupted, code)

	logs := r.onScreen("logs", "-f", id)
	logs.shows("begins rows=4")
	logs.press(interrupt)
	code, _ = logs.ends()
	require.Equal(t, cli.ExitInterrupted, code)
	require.Equal(t, "RUNNING", r.lines("ps")[0]["status"])
}

func TestOnATerminalThereAreColoursAndQuestions(t *testing.T) {
	r := newRig(t)
	id := r.start("parts", "0")
	r.until(id, mn.Succeeded)
	code, raw := r.onScreen("ps").ends()
	require.Zero(t, code)
	require.Contains(t, raw, "\x1b[32mSUCCEEDED")
	r.environ = append(r.environ, "NO_COLOR=1")
	_, raw = r.onScreen("ps").ends()
	require.Contains(t, raw, "SUCCEEDED")
	require.NotContains(t, raw, "\x1b[32m")

	s := r.onScreen("rm", "--all")
	s.shows("remove 1 run of app shop? [y/N]")
	s.press("n\n")
	code, _ = s.ends()
	require.Equal(t, cli.ExitFailed, code)
	require.Len(t, r.lines("ps"), 1)
	s = r.onScreen("rm", "--all")
	s.shows("[y/N]")
	s.press("y\n")
	s.shows("removed 1 run")
	code, _ = s.ends()
	require.Zero(t, code)
	require.Empty(t, r.lines("ps"))
}
