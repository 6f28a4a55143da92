package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// idleLoad returns the processor time, in percent of one core, that this process and a
// server take while nobody has anything to do: what polling costs. It is NaN where the
// system does not tell.
func (s *servers) idleLoad(ctx context.Context, of server, window time.Duration) (float64, error) {
	begin, before := time.Now(), s.used(of)
	select {
	case <-time.After(window):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	return 100 * (s.used(of) - before) / time.Since(begin).Seconds(), nil
}

// used returns the seconds of processor time of this process and a server so far.
func (s *servers) used(of server) float64 {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return math.NaN()
	}
	seconds := func(t syscall.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }
	return seconds(own.Utime) + seconds(own.Stime) + treeTime(s.running[of].pid, "/proc")
}

// ticksPerSecond is the unit of Linux' /proc/PID/stat on all common machines (USER_HZ).
const ticksPerSecond = 100

// treeTime returns the seconds of processor time of a process, its descendants and those
// of them that have ended. proc is where Linux tells of processes.
func treeTime(root int, proc string) float64 {
	children, ticks := map[int][]int{}, map[int]float64{}
	files, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "stat"))
	if err != nil || len(files) == 0 {
		return math.NaN()
	}
	for _, file := range files {
		stat, err := os.ReadFile(file) //nolint:gosec // below /proc
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name before may hold anything
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || len(fields) < 15 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		children[parent] = append(children[parent], pid)
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return math.NaN()
			}
			ticks[pid] += n
		}
	}
	if _, ok := ticks[root]; !ok {
		return math.NaN()
	}
	sum := 0.0
	for todo := []int{root}; len(todo) > 0; todo = todo[1:] {
		sum += ticks[todo[0]]
		todo = append(todo, children[todo[0]]...)
	}
	return sum / ticksPerSecond
}
