package mn_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// Signals are tested with this test binary as a child process, which childEnv makes
// run child instead of the tests.
const childEnv = "MN_TEST_CHILD"

// child is a program whose job needs the shutdown to finish, and whose main returns
// when its context ends, or never.
func child() int {
	stopping := make(chan struct{})
	job := mn.NewJob("work", func(_ context.Context, _ int, _ func(int) bool) error {
		fmt.Println("ready")
		<-stopping
		fmt.Println("job finished")
		return nil
	})
	app, err := mn.New(mn.Config{Name: "child", Definitions: []mn.Definition{job}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	err = app.Run(context.Background(), func(ctx context.Context) error {
		if _, err := job.Start(ctx, 0); err != nil {
			return err
		}
		<-ctx.Done()
		fmt.Println("told to stop")
		if os.Getenv(childEnv) == "stubborn" {
			select {}
		}
		close(stopping)
		return nil
	})
	fmt.Println("run returned", err)
	return 0
}

// startChild starts a child and waits until it is ready. Lines of its output come by
// the channel.
func startChild(t *testing.T, how string) (*exec.Cmd, <-chan string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+how, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	require.Equal(t, "ready", <-lines)
	return cmd, lines
}

func TestSignalEndsRunGracefully(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		cmd, lines := startChild(t, "obedient")
		require.NoError(t, cmd.Process.Signal(signal))
		var said []string
		for line := range lines {
			said = append(said, line)
		}
		require.NoError(t, cmd.Wait())
		require.Equal(t, []string{"told to stop", "job finished", "run returned <nil>"}, said)
	}
}

func TestSecondSignalEndsTheProcessAtOnce(t *testing.T) {
	cmd, lines := startChild(t, "stubborn")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, "told to stop", <-lines)
	// Run gives the signal back to the system soon after it ended the context.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for open := true; open; {
		select {
		case <-tick.C:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		case _, open = <-lines:
		}
	}
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, syscall.SIGTERM, exit.Sys().(syscall.WaitStatus).Signal())
}
