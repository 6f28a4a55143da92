package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	waitMost = 10 * time.Second
	waitStep = 5 * time.Millisecond
)

// server is what the tests start: it writes its process ID and then does nothing.
func testServer(pidFile string) []string {
	return []string{"sh", "-c", `echo $$ > "$1"; exec sleep 600`, "server", pidFile}
}

// pidOf waits for the process ID that a server wrote.
func pidOf(t *testing.T, file string) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	}, waitMost, waitStep)
	return pid
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestClosingAServerStopsItAndRemovesItsFolder(t *testing.T) {
	dir, pidFile := t.TempDir(), filepath.Join(t.TempDir(), "pid")
	p, err := startProcess(dir, "TERM", nil, testServer(pidFile)...)
	require.NoError(t, err)
	pid := pidOf(t, pidFile)
	assert.True(t, alive(pid))
	require.NoError(t, p.close())
	assert.False(t, alive(pid))
	assert.NoDirExists(t, dir)
}

func TestAServerThatEndedByItselfIsAnErrorWithItsLastWords(t *testing.T) {
	p, err := startProcess(t.TempDir(), "TERM", nil, "sh", "-c", "echo no room; exit 3")
	require.NoError(t, err)
	<-p.ended
	assert.ErrorContains(t, p.close(), "no room")
}

// orphanEnv names the folder of a program that starts a server there and is killed.
const orphanEnv = "MN_PEERS_ORPHAN"

func runOrphan(dir string) int {
	if _, err := startProcess(filepath.Join(dir, "data"), "TERM", nil, testServer(filepath.Join(dir, "pid"))...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	select {} // until it is killed
}

func TestServersEndWithAProgramThatIsKilled(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), orphanEnv+"="+dir)
	require.NoError(t, program.Start())
	pid := pidOf(t, filepath.Join(dir, "pid"))
	require.NoError(t, program.Process.Kill())
	require.Error(t, program.Wait())
	require.Eventually(t, func() bool { return !alive(pid) }, waitMost, waitStep)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "data"))
		return os.IsNotExist(err)
	}, waitMost, waitStep)
}

func TestTheTailKeepsTheEnd(t *testing.T) {
	var l tail
	for i := range 1000 {
		_, err := fmt.Fprintln(&l, i)
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, len(l.String()), 2000)
	assert.True(t, strings.HasSuffix(l.String(), "\n999"))
}
