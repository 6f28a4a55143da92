package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// twinEnv names the backend in the environment of a process that is a twin.
const twinEnv = "MN_BENCH_TWIN"

// twin is this program once more, in a process of its own with an empty place. It
// measures when it is told to; in between it waits, as this process does meanwhile.
type twin struct {
	process *exec.Cmd
	stdin   io.WriteCloser
	ask     *json.Encoder
	answers *json.Decoder
}

type twinRequest struct {
	Op     int // of shelfOps
	Window time.Duration
}

type twinAnswer struct {
	Value float64
	Error string
}

func startTwin(backend string) (*twin, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &twin{process: exec.Command(self)}
	t.process.Env = append(os.Environ(), twinEnv+"="+backend)
	t.process.Stderr = os.Stderr
	if t.stdin, err = t.process.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := t.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.ask, t.answers = json.NewEncoder(t.stdin), json.NewDecoder(stdout)
	return t, t.process.Start()
}

// measure blocks until the twin has measured. It does not heed ctx: a window is
// short, and an interrupt reaches the twin by itself.
func (t *twin) measure(_ context.Context, op int, window time.Duration) (float64, error) {
	if err := t.ask.Encode(twinRequest{op, window}); err != nil {
		return 0, fmt.Errorf("twin: %w", err)
	}
	var a twinAnswer
	if err := t.answers.Decode(&a); err != nil {
		return 0, fmt.Errorf("twin: %w", err)
	}
	if a.Error != "" {
		return 0, errors.New("twin: " + a.Error)
	}
	return a.Value, nil
}

// close ends the twin by the end of its input and waits for it.
func (t *twin) close() error {
	if err := errors.Join(t.stdin.Close(), t.process.Wait()); err != nil {
		return fmt.Errorf("twin: %w", err)
	}
	return nil
}

// runTwin is what main does in a twin. It returns the exit status.
func runTwin(backend string) int {
	if err := serveTwin(context.Background(), drivers[backend], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench: twin:", err)
		return 1
	}
	return 0
}

func serveTwin(ctx context.Context, d driver, in io.Reader, out io.Writer) (err error) {
	m, err := d.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	empty, err := newShelf(ctx, m.backend, "bench-empty", pageSize)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, empty.close()) }()
	sides := make([]side, len(shelfOps))
	for i := range shelfOps {
		sides[i] = shelfOps[i].side(&empty)
	}
	return answer(ctx, sides, json.NewDecoder(in), json.NewEncoder(out))
}

// answer measures what is asked for until the requests end.
func answer(ctx context.Context, sides []side, requests *json.Decoder, answers *json.Encoder) error {
	for {
		var r twinRequest
		switch err := requests.Decode(&r); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		runtime.GC()
		var a twinAnswer
		var err error
		if a.Value, err = sides[r.Op](ctx, r.Window); err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}
