package mn

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/multinode/mn/backend"
)

// Run is a run of any job as seen at one moment.
type Run struct {
	ID         JobID           `json:"id"`
	Definition string          `json:"definition"`
	Status     Status          `json:"status"`
	Input      json.RawMessage `json:"input,omitempty"`  // not in lists
	Result     json.RawMessage `json:"result,omitempty"` // the newest yield; not in lists
	Yields     uint64          `json:"yields"`           // the number of the newest yield
	// Progress is the newest yield, or a field of it, if that is a [Progress].
	Progress *Progress `json:"progress,omitempty"`
	// Unreadable is why Input or Result is left out.
	Unreadable string    `json:"unreadable,omitempty"`
	Error      *RunError `json:"error,omitempty"` // why it FAILED, or why the last attempt of a retried one did
	Reason     string    `json:"reason,omitempty"`
	Attempt    int       `json:"attempt"`          // the newest attempt; 0 before the first
	Worker     string    `json:"worker,omitempty"` // of the newest attempt
	Parent     string    `json:"parent,omitempty"` // the task whose handler started it
	Locks      []string  `json:"locks,omitempty"`
	Removing   bool      `json:"removing,omitempty"`
	Created    time.Time `json:"created"`
	Started    time.Time `json:"started,omitzero"` // of the newest attempt
	Ended      time.Time `json:"ended,omitzero"`
	NotBefore  time.Time `json:"notBefore,omitzero"` // when a retry may begin
}

// AttemptInfo is one attempt of a run.
type AttemptInfo struct {
	Number  int       `json:"number"`
	Worker  string    `json:"worker,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"` // zero while it runs
	Error   *RunError `json:"error,omitempty"`
}

// Run reads one run. ErrJobDoesNotExist.
func (in *Inspector) Run(ctx context.Context, id JobID) (Run, error) {
	_, t, err := in.owner(ctx, id)
	if err != nil {
		return Run{}, err
	}
	return in.run(t), nil
}

// run turns a stored task into what readers see.
func (in *Inspector) run(t *backend.Task) Run {
	r := Run{
		ID: JobID(t.ID), Definition: t.Pool, Status: Status(t.Status), Yields: t.Yields, Reason: t.Reason, Attempt: t.Attempt,
		Worker: t.Slot, Parent: t.Parent, Locks: t.Locks, Removing: t.Removing, Created: t.Created, Started: t.Started,
		Ended: t.Ended, NotBefore: t.NotBefore,
	}
	d := &in.job(t.Pool).def.definition
	if err := in.app.decode(d.place(in.app, t.ID, fieldIn), t.Input, &r.Input); err != nil {
		r.Unreadable = err.Error()
	}
	if t.Yields > 0 {
		if err := in.app.decode(d.place(in.app, t.ID, fieldOut), t.Result, &r.Result); err != nil {
			r.Unreadable = err.Error()
		}
		if p, ok := FindProgress(r.Result); ok {
			r.Progress = &p
		}
	}
	if t.Failure != nil {
		r.Error = d.runError(in.app, t.ID, failedAttempt(t), t.Failure)
	}
	return r
}

// failedAttempt is the attempt of which a task's failure tells.
func failedAttempt(t *backend.Task) int {
	if t.Status == backend.StatusRunning || t.Status == backend.StatusCancelling {
		return t.Attempt - 1 // the one before that which runs
	}
	return t.Attempt
}

// Attempts reads the attempts of a run, oldest first: the newest, and up to
// backend.KeptAttempts of those before it. ErrJobDoesNotExist.
func (in *Inspector) Attempts(ctx context.Context, id JobID) ([]AttemptInfo, error) {
	j, t, err := in.owner(ctx, id)
	if err != nil {
		return nil, err
	}
	past, err := exchange(ctx, in.app, func(ctx context.Context) ([]backend.PastAttempt, error) {
		return in.app.store.Attempts(ctx, string(id))
	})
	if err != nil {
		return nil, outward(err, "job "+string(id))
	}
	var infos []AttemptInfo
	for _, p := range past {
		infos = append(infos, AttemptInfo{
			Number: p.Number, Worker: p.Slot, Started: p.Started, Ended: p.Ended,
			Error: j.def.runError(in.app, t.ID, p.Number, p.Failure),
		})
	}
	if t.Status == backend.StatusPending || t.Started.IsZero() {
		return infos, nil
	}
	last := AttemptInfo{Number: t.Attempt, Worker: t.Slot, Started: t.Started, Ended: t.Ended}
	if t.Status == backend.StatusFailed {
		last.Error = j.def.runError(in.app, t.ID, t.Attempt, t.Failure)
	}
	return append(infos, last), nil
}

// RunFilter chooses runs. Empty fields choose everything.
type RunFilter struct {
	Definition string
	Statuses   []Status
	// From and To bound the time at which runs were started: From is included, To is not.
	// They go by the IDs: runs whose [WithID] was not of version 7 are not found by time, and a process
	// whose clock was set back makes IDs of the later time until the clock has caught up.
	From, To time.Time
	Text     string // which the ID must contain
	// Before continues a list: it is the RunPage.Next of the page before.
	Before JobID
	Limit  int // at most so many runs; 0 means 100
}

// RunPage is a part of a list of runs.
type RunPage struct {
	Runs []Run
	// Next is the Before of the next page, "" after the last one.
	Next JobID
}

// scanned bounds how many IDs one page looks at for a Text.
const scanned = 10_000

// Runs reads a page of runs, newest first, without their Input and Result. With Text it looks
// at up to 10 000 runs: a page may then hold few or none although Next says that more may
// follow. Runs that change status or are removed meanwhile may be missed or not.
func (in *Inspector) Runs(ctx context.Context, f RunFilter) (RunPage, error) {
	ids, next, err := in.chosen(ctx, f)
	if err != nil || len(ids) == 0 {
		return RunPage{Next: next}, err
	}
	tasks, err := in.get(ctx, ids)
	if err != nil {
		return RunPage{}, outward(err, "list of runs")
	}
	page := RunPage{Next: next}
	for _, t := range tasks {
		if t == nil {
			continue // removed meanwhile
		}
		r := in.run(t)
		r.Input, r.Result = nil, nil
		page.Runs = append(page.Runs, r)
	}
	return page, nil
}

// chosen reads the IDs of a page and the cursor of the next.
func (in *Inspector) chosen(ctx context.Context, f RunFilter) ([]string, JobID, error) {
	req, limit, err := f.request()
	if err != nil {
		return nil, "", err
	}
	var ids []string
	for looked := 0; ; {
		page, err := exchange(ctx, in.app, func(ctx context.Context) ([]string, error) {
			return in.app.store.ListIDs(ctx, req)
		})
		if err != nil {
			return nil, "", outward(err, "list of runs")
		}
		for i, id := range page {
			if f.Text != "" && !containsFold(id, f.Text) {
				continue
			}
			if ids = append(ids, id); len(ids) == limit && (i < len(page)-1 || len(page) == req.Limit) {
				return ids, JobID(id), nil
			}
		}
		if len(page) < req.Limit {
			return ids, "", nil
		}
		req.Before = page[len(page)-1]
		if looked += len(page); looked >= scanned {
			return ids, JobID(req.Before), nil
		}
	}
}

// request checks the filter and words it for the backend.
func (f *RunFilter) request() (backend.ListRequest, int, error) {
	o := listOptions{request: backend.ListRequest{Pool: f.Definition, Before: string(f.Before)}, limit: f.Limit}
	WithStatus(f.Statuses...).setList(&o)
	if err := o.check(); err != nil {
		return o.request, 0, err
	}
	if !f.From.IsZero() {
		o.request.From = firstID(f.From)
	}
	if !f.To.IsZero() {
		if first := firstID(f.To); o.request.Before == "" || first < o.request.Before {
			o.request.Before = first
		}
	}
	limit := f.Limit
	if limit == 0 {
		limit = backend.DefaultPage
	}
	o.request.Limit = limit
	if f.Text != "" {
		o.request.Limit = max(limit, 1000)
	}
	return o.request, limit, nil
}

// firstID is not above any version 7 UUID that was made at t or later.
func firstID(t time.Time) string {
	ms := max(0, t.UnixMilli())
	return fmt.Sprintf("%08x-%04x-0000-0000-000000000000", uint64(ms)>>16, uint64(ms)&0xffff)
}
