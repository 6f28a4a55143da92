package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/multinode/mn"
)

// task is one argument of the program: action:table.
type task struct {
	Action Action
	Table  string
}

func (t task) String() string { return fmt.Sprintf("%s of %s", t.Action, t.Table) }

// input is what a task asks for, with what the flags say.
func (o *options) input(t task, now time.Time) Input {
	in := Input{DB: o.db, Table: t.Table, Action: t.Action, Chunk: o.chunk, Pause: o.pause}
	if t.Action == Purge {
		in.Before = now.Add(-o.olderThan)
	}
	return in
}

// started is a task whose job runs.
type started struct {
	task
	id mn.JobID
}

// runTasks starts all tasks at once and prints what becomes of them. It goes on when one
// cannot be started, and returns the errors of all.
func runTasks(ctx context.Context, o *options, out io.Writer) error {
	say := log.New(out, "", 0) // writes whole lines, from any goroutine
	var running []started
	var errs []error
	for _, t := range o.tasks {
		id, err := Maintain.Start(ctx, o.input(t, time.Now()), mn.WithLock(lockKey(t.Table)))
		var held *mn.LockError
		switch {
		case errors.As(err, &held):
			say.Printf("%s: not started, the table is in use by job %s", t, held.Holder)
		case err != nil:
			say.Printf("%s: not started: %v", t, err)
		default:
			say.Printf("%s: started as job %s", t, id)
			running = append(running, started{t, id})
		}
		errs = append(errs, err)
	}
	results := make([]error, len(running))
	var wait sync.WaitGroup
	for i, s := range running {
		wait.Go(func() { results[i] = s.follow(ctx, say) })
	}
	wait.Wait()
	return errors.Join(append(errs, results...)...)
}

// follow prints the way of a job to its end. When ctx ends, at Ctrl-C, it cancels the job
// and still waits for it: the job has cleaning up to do.
func (s started) follow(ctx context.Context, say *log.Logger) error {
	lasting := context.WithoutCancel(ctx)
	stop := context.AfterFunc(ctx, func() {
		if err := Maintain.Cancel(lasting, s.id); err != nil {
			say.Printf("%s: cannot be cancelled: %v", s, err)
		}
	})
	defer stop()
	var end mn.JobInfo[Progress]
	quarters := int64(0)
	for info, err := range Maintain.Watch(lasting, s.id) {
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		end = info
		if p := info.Result; p.Total > 0 && p.Done*4/p.Total > quarters {
			quarters = p.Done * 4 / p.Total
			say.Printf("%s: %d%% (%d of %d)", s, quarters*25, p.Done, p.Total)
		}
	}
	say.Printf("%s: %s after %s: %d of %d done%s", s, end.Status, end.Ended.Sub(end.Created).Round(time.Millisecond),
		end.Result.Done, end.Result.Total, reason(end))
	_, err := Maintain.Wait(lasting, s.id) // it has ended: this asks how
	return err
}

func reason(info mn.JobInfo[Progress]) string {
	if info.Status != mn.Failed {
		return ""
	}
	return ": " + info.Error.Message
}
