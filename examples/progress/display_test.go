package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/multinode/mn"
)

func rows(n int64) mn.Progress { return mn.Progress{Done: n, Total: 50, Unit: "rows"} }

// history is an import whose first attempt fails at row 20 of 50.
var history = []mn.JobInfo[Checkpoint]{
	{Status: mn.Pending},
	{Status: mn.Running, Attempt: 1},
	{Status: mn.Running, Attempt: 1, Result: Checkpoint{Rows: 10, Progress: rows(10), Attempt: 1}},
	{Status: mn.Running, Attempt: 1, Result: Checkpoint{Rows: 20, Progress: rows(20), Attempt: 1}},
	{Status: mn.Pending, Attempt: 1, Result: Checkpoint{Rows: 20, Progress: rows(20), Attempt: 1}, Error: &mn.RunError{Message: "disk full"}},
	{Status: mn.Running, Attempt: 2, Result: Checkpoint{Rows: 20, Progress: rows(20), Attempt: 1}, Error: &mn.RunError{Message: "disk full"}},
	{Status: mn.Running, Attempt: 2, Result: Checkpoint{Rows: 30, Progress: rows(30), Attempt: 2, From: 20}},
}

func render(terminal bool, end mn.JobInfo[Checkpoint]) string {
	var out bytes.Buffer
	d := newDisplay(&out, 50, terminal)
	for _, info := range history {
		d.show(info)
	}
	d.show(end)
	return out.String()
}

func TestWithoutATerminalThereArePlainLines(t *testing.T) {
	got := render(false, mn.JobInfo[Checkpoint]{
		Status: mn.Succeeded, Attempt: 2,
		Result: Checkpoint{Rows: 50, Progress: rows(50), Bytes: 700, CRC: 0xbeef, Attempt: 2, From: 20},
	})
	want := ` 20%  10/50 rows
 40%  20/50 rows
attempt 1 failed: disk full
attempt 2 resumed from row 20
 60%  30/50 rows
100%  50/50 rows
SUCCEEDED: 50 rows, 700 bytes, CRC-32 0000beef
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOnATerminalTheBarEndsWithTheStatus(t *testing.T) {
	for _, end := range []mn.JobInfo[Checkpoint]{
		{Status: mn.Cancelled, Result: Checkpoint{Rows: 30, Progress: rows(30)}},
		{Status: mn.Failed, Result: Checkpoint{Rows: 30, Progress: rows(30)}, Error: &mn.RunError{Message: "disk full"}},
		{Status: mn.Succeeded, Result: Checkpoint{Rows: 50, Progress: rows(50)}},
	} {
		got := render(true, end)
		drawn := strings.Split(got, "\r")
		if final := drawn[len(drawn)-1]; !strings.HasPrefix(final, string(end.Status)) || !strings.Contains(final, "|") {
			t.Errorf("the bar was last drawn as %q, want %s in front of it", final, end.Status)
		}
		for _, line := range []string{"attempt 1 failed: disk full\n", "attempt 2 resumed from row 20\n"} {
			if strings.Count(got, line) != 1 {
				t.Errorf("%q is not printed once in %q", line, got)
			}
		}
	}
}
