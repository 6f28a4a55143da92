package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/multinode/mn"
)

// Request is what one import is asked to do.
type Request struct {
	File    string `json:"file"`              // where the rows go; an existing file is replaced
	Rows    int    `json:"rows"`              // how many there are
	Chunk   int    `json:"chunk"`             // how many are written between two checkpoints
	Rate    int    `json:"rate,omitempty"`    // rows a second at the most; 0: no limit
	CrashAt int    `json:"crashAt,omitempty"` // the first attempt dies in this chunk; 0: in none
}

// Checkpoint is what the job yields: how far the file is good. It is both what is shown
// and what the next attempt resumes from.
type Checkpoint struct {
	Rows    int    `json:"rows"`    // rows that are in the file
	Bytes   int64  `json:"bytes"`   // how long they are
	CRC     uint32 `json:"crc"`     // the IEEE CRC-32 of those bytes
	Attempt int    `json:"attempt"` // the attempt that made this checkpoint
	From    int    `json:"from"`    // the row at which that attempt began

	// Progress is the same for people: whatever shows jobs draws it as a bar.
	Progress mn.Progress `json:"progress"`
}

// Import writes generated rows to a file. SyncYields, because a checkpoint that the next
// attempt will rely on should be stored before the import goes on.
var Import = mn.NewJob("import", importRows,
	mn.SyncYields(), mn.Retries(2), mn.Backoff(500*time.Millisecond, 5*time.Second),
	mn.CancellationGrace(10*time.Second))

func importRows(ctx context.Context, in Request, yield func(Checkpoint) bool) error {
	at, _ := mn.LastYield[Checkpoint](ctx) // the zero Checkpoint is the beginning
	file, err := openAt(in.File, at)
	if err != nil {
		return err
	}
	defer file.Close()
	at.Attempt, at.From = mn.Attempt(ctx), at.Rows
	progress := mn.NewProgress(int64(in.Rows), "rows")
	progress.Set(int64(at.Rows)) // what earlier attempts have done says nothing of the speed
	for chunk := 1; at.Rows < in.Rows; chunk++ {
		end := min(at.Rows+in.Chunk, in.Rows)
		written, err := writeRows(file, at.Rows, end)
		if err != nil {
			return err
		}
		if chunk == in.CrashAt && at.Attempt == 1 {
			panic(fmt.Sprintf("crash in chunk %d, as asked: its rows are in the file, its checkpoint is not stored", chunk))
		}
		at.Bytes += int64(len(written))
		at.CRC = crc32.Update(at.CRC, crc32.IEEETable, written)
		at.Progress = progress.Add(int64(end - at.Rows))
		at.Rows = end
		if !yield(at) || !pace(ctx, in) {
			return stopped(ctx, file)
		}
	}
	return file.Close()
}

// openAt opens the file for what comes after the checkpoint. Whatever the previous
// attempt wrote beyond it is cut off, so that no row is there twice.
func openAt(name string, at Checkpoint) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	sum := crc32.NewIEEE()
	if _, err = io.CopyN(sum, file, at.Bytes); err == nil && sum.Sum32() != at.CRC {
		err = errors.New("checksum mismatch")
	}
	if err != nil {
		file.Close()
		// Another attempt would find the same file: do not try again.
		return nil, mn.Permanent(fmt.Errorf("%s is not what the checkpoint at row %d says: %w", name, at.Rows, err))
	}
	if err := file.Truncate(at.Bytes); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil // positioned at at.Bytes by the reading
}

// writeRows writes the rows from (included) to end (excluded) and returns their bytes. It
// syncs, because a checkpoint must never run ahead of the data.
func writeRows(file *os.File, from, end int) ([]byte, error) {
	var b bytes.Buffer
	for n := from; n < end; n++ {
		b.Write(row(n))
	}
	if _, err := file.Write(b.Bytes()); err != nil {
		return nil, err
	}
	return b.Bytes(), file.Sync()
}

// row generates the n-th row: its number, a value and the value's checksum.
func row(n int) []byte {
	value := strconv.Itoa(n * n)
	return fmt.Appendf(nil, "%d,%s,%08x\n", n, value, crc32.ChecksumIEEE([]byte(value)))
}

// pace waits as long as a chunk may take; false if the job is to stop meanwhile.
func pace(ctx context.Context, in Request) bool {
	if in.Rate <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(time.Duration(in.Chunk) * time.Second / time.Duration(in.Rate))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// stopped tidies up after an attempt that was told to stop. The unfinished file goes only
// if nobody will resume it: after ErrDraining or ErrLeaseLost another attempt does, and may
// already be writing to it.
func stopped(ctx context.Context, file *os.File) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, mn.ErrJobCancelled) && !errors.Is(cause, mn.ErrTimeout) {
		return cause
	}
	return errors.Join(cause, file.Close(), os.Remove(file.Name()))
}
