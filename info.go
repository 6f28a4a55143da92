package mn

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/multinode/mn/backend"
)

// JobID identifies a run of a job: a UUID in lower-case hyphenated form, of version 7
// unless [WithID] gave another. IDs that come from outside may be converted as they
// are: methods answer ErrJobDoesNotExist for a malformed one.
type JobID string

func (id JobID) valid() bool {
	u, err := uuid.Parse(string(id))
	return err == nil && u.String() == string(id)
}

// Status is where a job stands.
type Status string

// The statuses. SUCCEEDED, FAILED and CANCELLED are terminal and never change.
const (
	Pending    Status = "PENDING"
	Running    Status = "RUNNING"
	Succeeded  Status = "SUCCEEDED"
	Failed     Status = "FAILED"
	Cancelling Status = "CANCELLING"
	Cancelled  Status = "CANCELLED"
)

// Terminal reports whether the job has ended.
func (s Status) Terminal() bool { return backend.Status(s).Terminal() }

// Statuses returns all statuses, in the order of a job's life.
func Statuses() []Status {
	return []Status{Pending, Running, Cancelling, Succeeded, Failed, Cancelled}
}

// JobInfo is a job as seen at one moment.
type JobInfo[Out any] struct {
	ID       JobID     `json:"id"`
	Status   Status    `json:"status"`
	Result   Out       `json:"result"`             // the newest yield; Out's zero value while Yields is 0
	Yields   uint64    `json:"yields"`             // the number of the newest yield, counted over all attempts
	Error    *RunError `json:"error,omitempty"`    // why it FAILED, or why the last attempt of a retried one did
	Reason   string    `json:"reason,omitempty"`   // why it is PENDING
	Attempt  int       `json:"attempt"`            // the newest attempt; 0 before the first
	Locks    []string  `json:"locks,omitempty"`    // keys it holds
	Removing bool      `json:"removing,omitempty"` // it will be deleted when it has ended
	Created  time.Time `json:"created"`
	Started  time.Time `json:"started,omitzero"` // of the newest attempt
	Ended    time.Time `json:"ended,omitzero"`
}

// Err is how the job ended: nil unless it has ended FAILED, then its [RunError], or
// CANCELLED, then an error that is ErrJobCancelled.
func (i *JobInfo[Out]) Err() error {
	switch i.Status {
	case Failed:
		return i.Error
	case Cancelled:
		return fmt.Errorf("mn: job %s: %w", i.ID, ErrJobCancelled)
	}
	return nil
}

// info turns a stored task into what readers see. id is for the error if t is nil.
func (j *Job[In, Out]) info(app *App, id JobID, t *backend.Task) (JobInfo[Out], error) {
	if t == nil || t.Pool != j.def.name || t.Kind != backend.Job {
		return JobInfo[Out]{}, fmt.Errorf("mn: job %q %s: %w", j.def.name, id, ErrJobDoesNotExist)
	}
	i := JobInfo[Out]{
		ID: JobID(t.ID), Status: Status(t.Status), Yields: t.Yields, Reason: t.Reason, Attempt: t.Attempt,
		Locks: t.Locks, Removing: t.Removing, Created: t.Created, Started: t.Started, Ended: t.Ended,
	}
	if t.Failure != nil {
		i.Error = j.def.runError(app, t.ID, failedAttempt(t), t.Failure)
	}
	if t.Yields > 0 {
		if err := app.decode(j.def.place(app, t.ID, fieldOut), t.Result, &i.Result); err != nil {
			return i, fmt.Errorf("mn: job %q %s: %w", j.def.name, id, err)
		}
	}
	return i, nil
}
