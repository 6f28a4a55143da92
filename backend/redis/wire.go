package redis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/multinode/mn/backend"
)

// netstrings splits what pack in lua/lib/base.lua has joined.
func netstrings(s string) ([]string, error) {
	var list []string
	for s != "" {
		digits, rest, ok := strings.Cut(s, ":")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 || n > len(rest) {
			return nil, errForeign
		}
		list = append(list, rest[:n])
		s = rest[n:]
	}
	return list, nil
}

// number reads a number of a script; what is missing is 0.
func number[T ~int | ~int64 | ~uint64](s string) T {
	n, _ := strconv.ParseInt(s, 10, 64)
	return T(n)
}

func moment(ms string) time.Time {
	if ms == "" || ms == "0" {
		return time.Time{}
	}
	return time.UnixMilli(number[int64](ms))
}

func millis(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(1, d.Milliseconds())
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// The letters of the statuses in records.
var statuses = map[string]backend.Status{
	"P": backend.StatusPending, "R": backend.StatusRunning, "G": backend.StatusCancelling,
	"S": backend.StatusSucceeded, "F": backend.StatusFailed, "C": backend.StatusCancelled,
}

var letters = func() map[backend.Status]string {
	m := make(map[backend.Status]string)
	for letter, st := range statuses {
		m[st] = letter
	}
	return m
}()

// leaseText is a lease as records hold it.
func leaseText(l backend.Lease) string {
	return strconv.FormatUint(l.Epoch, 10) + ":" + strconv.FormatUint(l.Nonce, 10) + ":" + l.Slot
}

func parseLease(task, text string) (backend.Lease, error) {
	f := strings.SplitN(text, ":", 3)
	if len(f) != 3 {
		return backend.Lease{}, errForeign
	}
	epoch, err1 := strconv.ParseUint(f[0], 10, 64)
	nonce, err2 := strconv.ParseUint(f[1], 10, 64)
	if err1 != nil || err2 != nil {
		return backend.Lease{}, errForeign
	}
	return backend.Lease{Task: task, Slot: f[2], Epoch: epoch, Nonce: nonce}, nil
}

func optional(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// fixedPart is what never changes of a task, as records hold it, but for the time of its
// creation: netstrings of kind, pool, input, parent, depth.
func fixedPart(t *backend.Submission) []byte {
	b := make([]byte, 0, 32+len(t.Pool)+len(t.Input)+len(t.Parent))
	add := func(s string) {
		b = append(strconv.AppendInt(b, int64(len(s)), 10), ':')
		b = append(b, s...)
	}
	add(strconv.Itoa(int(t.Kind)))
	add(t.Pool)
	b = append(strconv.AppendInt(b, int64(len(t.Input)), 10), ':')
	b = append(b, t.Input...)
	add(t.Parent)
	add(strconv.Itoa(t.Depth))
	return b
}

// fixedFields is how many fields the fixed part of a record has, and assignmentFields how many
// lua's assignment: id, the fixed part, lease, attempt, result, yields.
const (
	fixedFields      = 6
	assignmentFields = 1 + fixedFields + 4
)

// parseAssignment reads lua's assignment.
func parseAssignment(f []string) (a backend.Assignment, err error) {
	if len(f) != assignmentFields {
		return a, errForeign
	}
	l, err := parseLease(f[0], f[7])
	if err != nil {
		return a, err
	}
	return backend.Assignment{
		Lease: l, Kind: backend.Kind(number[int](f[1])), Pool: f[2], Input: []byte(f[3]), Parent: f[4],
		Depth: number[int](f[5]), Created: moment(f[6]), Attempt: number[int](f[8]), Result: optional(f[9]),
		Yields: number[uint64](f[10]),
	}, nil
}

// failure reads a failure's three fields; "" as the code is none.
func failure(code, detail, note string) *backend.Failure {
	if code == "" {
		return nil
	}
	return &backend.Failure{Code: code, Detail: optional(detail), Note: note}
}

// parseTask reads a record as get.lua answers it.
func parseTask(id string, reply []any) (*backend.Task, error) {
	if len(reply) == 0 {
		return nil, nil
	}
	f := make(map[string]string, len(reply)/2)
	for i := 0; i+1 < len(reply); i += 2 {
		name, ok1 := reply[i].(string)
		value, ok2 := reply[i+1].(string)
		if !ok1 || !ok2 {
			return nil, errForeign
		}
		f[name] = value
	}
	st, ok := statuses[f["s"]]
	if !ok {
		return nil, fmt.Errorf("%w: task %q has status %q", errForeign, id, f["s"])
	}
	locks, err := netstrings(f["l"])
	if err != nil {
		return nil, err
	}
	fixed, err := netstrings(f["D"])
	if err != nil || len(fixed) != fixedFields {
		return nil, fmt.Errorf("%w: task %q has no readable fixed part", errForeign, id)
	}
	var began string
	if terms := strings.Split(f["X"], "|"); len(terms) == 4 {
		began = terms[3]
	}
	t := &backend.Task{
		ID: id, Kind: backend.Kind(number[int](fixed[0])), Pool: fixed[1], Status: st, Version: number[uint64](f["v"]),
		Input: []byte(fixed[2]), Parent: fixed[3], Depth: number[int](fixed[4]), Result: optional(f["r"]),
		Yields: number[uint64](f["y"]), Failure: failure(f["f"], f["fd"], f["fn"]), Attempt: number[int](f["a"]),
		Errors: number[int](f["e"]), Crashes: number[int](f["x"]), Locks: locks, Removing: f["m"] == "1",
		Created: moment(fixed[5]), Started: moment(began), Ended: moment(f["z"]), NotBefore: moment(f["n"]),
	}
	if why, ok := f["?"]; ok {
		t.Reason, err = parseReason(t, why)
	}
	return t, err
}

// parseReason words why a task is PENDING, from what get.lua knows of its pool.
func parseReason(t *backend.Task, text string) (string, error) {
	f, err := netstrings(text)
	if err != nil || len(f) != 10 {
		return "", errForeign
	}
	cpu := float64(number[int64](f[6])) / 1000
	p := backend.PoolInfo{
		Spec: backend.PoolSpec{
			Name: t.Pool, Kind: t.Kind, MaxWorkers: number[int](f[0]), CPU: cpu, Memory: number[int64](f[7]),
		},
		Declared: f[1] == "1", Blocked: f[2], Slots: number[int](f[3]), Starting: number[int](f[4]),
		Serving: number[int](f[5]) > 0,
	}
	wait := time.Duration(number[int64](f[9])) * time.Millisecond
	return backend.PendingReason(p, wait, t.Attempt, f[8] == "1"), nil
}
