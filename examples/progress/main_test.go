package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is a display that remembers the states, and may act on them.
type collector struct {
	states []mn.JobInfo[Checkpoint]
	act    func(mn.JobInfo[Checkpoint])
}

func (c *collector) show(info mn.JobInfo[Checkpoint]) {
	c.states = append(c.states, info)
	if c.act != nil {
		c.act(info)
	}
}

func (c *collector) last() mn.JobInfo[Checkpoint] { return c.states[len(c.states)-1] }

// request is a small import to a file of the test.
func request(t *testing.T) Request {
	return Request{File: filepath.Join(t.TempDir(), "rows.csv"), Rows: 95, Chunk: 10}
}

// checkFile fails unless the file holds each of the rows exactly once, in order, and the
// checkpoint describes it.
func checkFile(t *testing.T, req Request, end Checkpoint) {
	t.Helper()
	var want bytes.Buffer
	for n := range req.Rows {
		want.Write(row(n))
	}
	got, err := os.ReadFile(req.File)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("the file has %d lines that are not the %d rows, each once:\n%s", bytes.Count(got, []byte("\n")), req.Rows, got)
	}
	if end.Rows != req.Rows || end.Bytes != int64(len(got)) || end.CRC != crc32.ChecksumIEEE(got) {
		t.Errorf("the last checkpoint is %+v, the file has %d bytes with CRC %08x", end, len(got), crc32.ChecksumIEEE(got))
	}
}

func TestAnImportWritesEachRowOnce(t *testing.T) {
	req := request(t)
	if err := os.WriteFile(req.File, bytes.Repeat([]byte("what was there before\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	var c collector
	if err := run(mntest.New(t, Import).Context(t.Context()), req, &c); err != nil {
		t.Fatal(err)
	}
	checkFile(t, req, c.last().Result)
}

func TestAfterACrashAnywhereTheImportResumesAtItsCheckpoint(t *testing.T) {
	for chunk := 1; chunk <= 10; chunk++ {
		t.Run(fmt.Sprint(chunk), func(t *testing.T) {
			req := request(t)
			req.CrashAt = chunk
			synctest.Test(t, func(t *testing.T) { // the wait before the retry passes at once
				var c collector
				if err := run(mntest.New(t, Import).Context(t.Context()), req, &c); err != nil {
					t.Fatal(err)
				}
				end := c.last()
				checkFile(t, req, end.Result)
				if want := (chunk - 1) * req.Chunk; end.Result.From != want || end.Result.Attempt != 2 {
					t.Errorf("attempt %d resumed from row %d, want attempt 2 from row %d", end.Result.Attempt, end.Result.From, want)
				}
			})
		})
	}
}

func TestAfterALostWorkerTheImportResumes(t *testing.T) {
	req := request(t)
	synctest.Test(t, func(t *testing.T) {
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{Import}}, mntest.KillAfterYield("import", 4))
		var c collector
		if err := run(app.Context(t.Context()), req, &c); err != nil {
			t.Fatal(err)
		}
		end := c.last().Result
		checkFile(t, req, end)
		if end.From != 40 || end.Attempt != 2 {
			t.Errorf("attempt %d resumed from row %d, want attempt 2 from row 40", end.Attempt, end.From)
		}
	})
}

func TestAFileThatIsNotTheCheckpointsFailsTheImportForGood(t *testing.T) {
	req := request(t)
	req.CrashAt = 3
	synctest.Test(t, func(t *testing.T) {
		c := collector{act: func(info mn.JobInfo[Checkpoint]) {
			if info.Status == mn.Pending && info.Attempt == 1 { // between the attempts
				if err := os.WriteFile(req.File, []byte("something else"), 0o600); err != nil {
					t.Error(err)
				}
			}
		}}
		err := run(mntest.New(t, Import).Context(t.Context()), req, &c)
		var failed *mn.RunError
		if !errors.As(err, &failed) || !strings.Contains(failed.Message, "not what the checkpoint at row 20 says") {
			t.Errorf("got %v, want a failure that tells of the file", err)
		}
		if end := c.last(); end.Attempt != 2 {
			t.Errorf("ended in attempt %d, want 2: the failure is permanent", end.Attempt)
		}
	})
}

func TestCancelRemovesTheUnfinishedFile(t *testing.T) {
	req := request(t)
	req.Rate = 10 // one chunk a second of the bubble's clock
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(mntest.New(t, Import).Context(t.Context()))
		defer interrupt()
		c := collector{act: func(info mn.JobInfo[Checkpoint]) {
			if info.Result.Rows == 30 {
				interrupt()
			}
		}}
		err := run(ctx, req, &c)
		if !errors.Is(err, mn.ErrJobCancelled) || exitCode(err) != exitCancelled {
			t.Errorf("run returned %v, exit code %d", err, exitCode(err))
		}
		if end := c.last(); end.Status != mn.Cancelled || end.Result.Rows != 30 {
			t.Errorf("ended %s at row %d, want CANCELLED at row 30", end.Status, end.Result.Rows)
		}
		if _, err := os.Stat(req.File); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the unfinished file is still there: %v", err)
		}
	})
}

func TestADrainedImportLeavesItsFileForTheNextAttempt(t *testing.T) {
	req := request(t)
	req.Rate = 10
	synctest.Test(t, func(t *testing.T) {
		app := mntest.New(t, Import)
		id, err := Import.On(app).Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for info, err := range Import.On(app).Watch(t.Context(), id) {
			if err != nil {
				t.Fatal(err)
			}
			if info.Result.Rows == 30 {
				break
			}
		}
		if err := app.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(req.File); err != nil || bytes.Count(got, []byte("\n")) != 30 {
			t.Errorf("the file has %d rows, error %v; want the 30 of the checkpoint", bytes.Count(got, []byte("\n")), err)
		}
	})
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range []string{"-rows=0", "-chunk=0", "-rate=-1", "-crash-at=-1", "-out=", "-no-such-flag", "argument"} {
		var complaint bytes.Buffer
		if _, _, err := parseFlags([]string{args}, &complaint); err == nil || complaint.Len() == 0 {
			t.Errorf("%s: error %v, message %q; want both", args, err, complaint.String())
		}
	}
	if req, _, err := parseFlags(nil, io.Discard); err != nil || req.File == "" {
		t.Errorf("the defaults are refused: %v", err)
	}
}
