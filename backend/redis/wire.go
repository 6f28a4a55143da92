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
// creation: netstrings of kind, pool, input, parent, depth, and where it has either of them,
// which the kind tells, root and trace.
func fixedPart(t *backend.Submission) []byte {
	b := make([]byte, 0, 40+len(t.Pool)+len(t.Input)+len(t.Parent)+len(t.Root)+len(t.Trace))
	add := func(s string) {
		b = append(strconv.AppendInt(b, int64(len(s)), 10), ':')
		b = append(b, s...)
	}
	kind, linked := int(t.Kind), t.Root != "" || t.Trace != ""
	if linked {
		kind += linkedKind
	}
	add(strconv.Itoa(kind))
	add(t.Pool)
	b = append(strconv.AppendInt(b, int64(len(t.Input)), 10), ':')
	b = append(b, t.Input...)
	add(t.Parent)
	add(strconv.Itoa(t.Depth))
	if linked {
		add(t.Root)
		add(t.Trace)
	}
	return b
}

// linkedKind is added to the kind of a fixed part that has root and trace.
const linkedKind = 2

// fixed is a record's fixed part.
type fixed struct {
	backend.Submission
	created time.Time
}

// fixedFields is how many fields a fixed part has that begins with this kind.
func fixedFields(kind string) int {
	if number[int](kind) > linkedKind {
		return 8
	}
	return 6
}

// parseFixed reads the fields of a fixed part.
func parseFixed(f []string) (x fixed, ok bool) {
	if len(f) == 0 || len(f) != fixedFields(f[0]) {
		return x, false
	}
	x.Kind, x.Pool, x.Input, x.Parent = backend.Kind(number[int](f[0])), f[1], []byte(f[2]), f[3]
	x.Depth = number[int](f[4])
	if len(f) > 6 {
		x.Kind -= linkedKind
		x.Root, x.Trace = f[5], f[6]
	}
	x.created = moment(f[len(f)-1])
	return x, true
}

// assignmentFields is how many fields lua's assignment has that begins f: id, the fixed part,
// lease, attempt, result, yields. If f does not hold the kind it is more than f has.
func assignmentFields(f []string) int {
	if len(f) < 2 {
		return 2
	}
	return 1 + fixedFields(f[1]) + 4
}

// parseAssignment reads lua's assignment.
func parseAssignment(f []string) (a backend.Assignment, err error) {
	end := len(f) - 4
	if len(f) != assignmentFields(f) {
		return a, errForeign
	}
	x, ok := parseFixed(f[1:end])
	if !ok {
		return a, errForeign
	}
	l, err := parseLease(f[0], f[end])
	if err != nil {
		return a, err
	}
	return backend.Assignment{
		Lease: l, Kind: x.Kind, Pool: x.Pool, Input: x.Input, Parent: x.Parent, Depth: x.Depth, Root: x.Root,
		Trace: x.Trace, Created: x.created, Attempt: number[int](f[end+1]), Result: optional(f[end+2]),
		Yields: number[uint64](f[end+3]),
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
	fields, err := netstrings(f["D"])
	x, ok := parseFixed(fields)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: task %q has no readable fixed part", errForeign, id)
	}
	var began string
	if terms := strings.Split(f["X"], "|"); len(terms) == 4 {
		began = terms[3]
	}
	t := &backend.Task{
		ID: id, Kind: x.Kind, Pool: x.Pool, Status: st, Version: number[uint64](f["v"]), Input: x.Input, Parent: x.Parent,
		Depth: x.Depth, Root: x.Root, Trace: x.Trace, Slot: lastSlot(f["L"], f["Z"], f["g"]), Result: optional(f["r"]),
		Yields: number[uint64](f["y"]), Failure: failure(f["f"], f["fd"], f["fn"]), Attempt: number[int](f["a"]),
		Errors: number[int](f["e"]), Crashes: number[int](f["x"]), Locks: locks, Removing: f["m"] == "1",
		Created: x.created, Started: moment(began), Ended: moment(f["z"]), NotBefore: moment(f["n"]),
	}
	if why, ok := f["?"]; ok {
		t.Reason, err = parseReason(t, why)
	}
	return t, err
}

// lastSlot is the slot of the newest attempt, from the fields in which a record may keep its
// lease; see lua/lib/task.lua.
func lastSlot(held, settled, unsettled string) (slot string) {
	if l, err := parseLease("", held); err == nil {
		return l.Slot
	}
	if settled != "" {
		settled = settled[1:] // the status is before it
	}
	newest := uint64(0)
	for _, text := range []string{settled, unsettled} {
		if l, err := parseLease("", text); err == nil && l.Epoch > newest {
			newest, slot = l.Epoch, l.Slot
		}
	}
	return slot
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
