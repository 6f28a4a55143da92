package history_test

import (
	"context"
	"encoding/json"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/history"
)

// tapped is a backend that records every result of a call that it delivers.
type tapped struct {
	backend.Backend
	rec *history.Recorder
}

func (t tapped) Namespace(name string) backend.Store {
	return tappedStore{t.Backend.Namespace(name), t.rec}
}

type tappedStore struct {
	backend.Store
	rec *history.Recorder
}

func (t tappedStore) Join(ctx context.Context, s backend.Session, in backend.Inbox) error {
	return t.Store.Join(ctx, s, tap{in, t.rec})
}

type tap struct {
	backend.Inbox
	rec *history.Recorder
}

func (t tap) Results(rs []backend.Result) {
	for _, r := range rs {
		t.note(r)
	}
	t.Inbox.Results(rs)
}

func (t tap) note(r backend.Result) {
	op := history.Op{Process: r.ID, Kind: history.Deliver, ID: r.ID, Outcome: history.Erred}
	if r.Status == backend.StatusSucceeded {
		op.Outcome = history.OK
		if err := json.Unmarshal(r.Data, &op.Result); err != nil {
			op.Result = "unreadable: " + err.Error()
		}
	}
	t.rec.Note(op)
}
