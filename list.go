package mn

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/multinode/mn/backend"
)

// ListOption selects among a definition's jobs.
type ListOption interface{ setList(*listOptions) }

type listOptions struct {
	request backend.ListRequest
	limit   int
}

type listOption func(*listOptions)

func (o listOption) setList(l *listOptions) { o(l) }

// WithStatus lists only jobs with one of the statuses.
func WithStatus(statuses ...Status) ListOption {
	return listOption(func(l *listOptions) {
		for _, s := range statuses {
			l.request.Statuses = append(l.request.Statuses, backend.Status(s))
		}
	})
}

// After lists only jobs that come after id in the list, that is older ones. With
// Limit it makes pages. The job id itself need not exist any more.
func After(id JobID) ListOption {
	return listOption(func(l *listOptions) { l.request.Before = string(id) })
}

// Limit ends the list after n jobs. 0 is no limit.
func Limit(n int) ListOption { return listOption(func(l *listOptions) { l.limit = n }) }

// List reads the definition's jobs, newest first, a page at a time. Jobs that change
// status or are removed meanwhile may be missed or not; each is shown at most once.
func (j *Job[In, Out]) List(ctx context.Context, opts ...ListOption) iter.Seq2[JobInfo[Out], error] {
	return func(yield func(JobInfo[Out], error) bool) {
		for ids, err := range j.pages(ctx, opts) {
			if err != nil {
				yield(JobInfo[Out]{}, err)
				return
			}
			if !j.show(ctx, ids, yield) {
				return
			}
		}
	}
}

// show reads the jobs of a page and yields them; one that was removed meanwhile is left
// out.
func (j *Job[In, Out]) show(ctx context.Context, ids []string, yield func(JobInfo[Out], error) bool) bool {
	app := appOf(ctx, j.app)
	tasks, err := exchange(ctx, app, func(ctx context.Context) ([]*backend.Task, error) {
		return app.store.Get(ctx, ids)
	})
	if err != nil {
		yield(JobInfo[Out]{}, outward(err, fmt.Sprintf("list of job %q", j.def.name)))
		return false
	}
	for i, t := range tasks {
		if t == nil {
			continue
		}
		if info, err := j.info(app, JobID(ids[i]), t); !yield(info, err) {
			return false
		}
	}
	return true
}

// ListIDs is List for the IDs alone.
func (j *Job[In, Out]) ListIDs(ctx context.Context, opts ...ListOption) iter.Seq2[JobID, error] {
	return func(yield func(JobID, error) bool) {
		for page, err := range j.pages(ctx, opts) {
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range page {
				if !yield(JobID(id), nil) {
					return
				}
			}
		}
	}
}

// pages yields the IDs of the chosen jobs, a page at a time.
func (j *Job[In, Out]) pages(ctx context.Context, opts []ListOption) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		app, err := j.def.bind(ctx, j.app)
		var o listOptions
		for _, opt := range opts {
			opt.setList(&o)
		}
		if err == nil {
			err = o.check()
		}
		if err != nil {
			yield(nil, err)
			return
		}
		o.request.Pool = j.def.name
		for left := o.limit; ; {
			o.request.Limit = backend.DefaultPage
			if o.limit > 0 {
				o.request.Limit = min(left, backend.DefaultPage)
			}
			page, err := exchange(ctx, app, func(ctx context.Context) ([]string, error) {
				return app.store.ListIDs(ctx, o.request)
			})
			if err != nil {
				yield(nil, outward(err, fmt.Sprintf("list of job %q", j.def.name)))
				return
			}
			if !yield(page, nil) {
				return
			}
			left -= len(page)
			if len(page) < o.request.Limit || o.limit > 0 && left <= 0 {
				return
			}
			o.request.Before = page[len(page)-1]
		}
	}
}

func (o *listOptions) check() error {
	for _, s := range o.request.Statuses {
		if !slices.Contains(backend.Statuses[:], s) {
			return fmt.Errorf("mn: list: %q is no status", s)
		}
	}
	if id := JobID(o.request.Before); id != "" && !id.valid() {
		return fmt.Errorf("mn: list: After(%q) is not a job ID", id)
	}
	if o.limit < 0 {
		return fmt.Errorf("mn: list: Limit(%d) must not be negative", o.limit)
	}
	return nil
}
