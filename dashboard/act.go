package dashboard

import (
	"context"
	"net/http"

	"github.com/multinode/mn"
)

// actOnJob cancels, retries or removes one run.
func (d *Dashboard) actOnJob(w http.ResponseWriter, r *http.Request) {
	a := Action{Verb: Verb(r.PathValue("verb")), Job: mn.JobID(r.PathValue("id"))}
	err := d.permit(w, r, func() (Action, error) { return a, a.Verb.check() })
	var to string
	if err == nil {
		// What was asked for happens even if the browser has gone meanwhile.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), readBound)
		defer cancel()
		to, err = d.act(ctx, a)
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	redirect(w, r, to)
}

func (v Verb) check() error {
	switch v {
	case Cancel, Retry, Remove:
		return nil
	}
	return problem{http.StatusNotFound, "There is no such action: use cancel, retry or remove."}
}

// act returns where to look next.
func (d *Dashboard) act(ctx context.Context, a Action) (string, error) {
	switch a.Verb {
	case Cancel:
		return "jobs/" + string(a.Job), d.inspect.Cancel(ctx, a.Job)
	case Retry:
		id, err := d.inspect.Retry(ctx, a.Job)
		return "jobs/" + string(id), err
	}
	if _, err := d.inspect.Run(ctx, a.Job); err != nil { // Remove takes unknown runs for removed
		return "", err
	}
	return "jobs", d.inspect.Remove(ctx, a.Job)
}
