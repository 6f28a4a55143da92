package backendtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/multinode/mn/backend"
)

// modelStream is one journal of a job.
type modelStream struct {
	last    int
	entries []string // as journal reads them
}

// add adds entries within bounds.
func (s *modelStream) add(a backend.Addition) {
	for _, d := range a.Data {
		s.last++
		s.entries = append(s.entries, fmt.Sprintf("%d %s", s.last, d))
	}
	for len(s.entries) > a.Limit.Entries || s.bytes() > a.Limit.Bytes {
		s.entries = s.entries[1:]
	}
}

func (s *modelStream) bytes() (n int) {
	for _, e := range s.entries {
		_, text, _ := strings.Cut(e, " ")
		n += len(text)
	}
	return n
}

// journaled is the job that an addition is for, nil for none.
func (m *model) journaled(a backend.Addition) *modelTask {
	id := a.Job
	if s := m.slots[a.Slot]; id == "" && s != nil && len(s.tasks) > 0 {
		if id = s.tasks[0].ID; s.pool == calls {
			id = s.tasks[0].Root
		}
	}
	return m.tasks[id]
}

var streams = []backend.Stream{backend.LogStream, backend.CallStream}

// append adds entries to a job's stream, or for the job of a slot that has one task at most.
func (h *history) append(t *rapid.T) {
	a := addition(rapid.SampledFrom(append(historyJobs, "")).Draw(t, "job"), rapid.SampledFrom(streams).Draw(t, "stream"),
		rapid.SliceOfN(rapid.StringMatching(`[a-z]{0,4}`), 1, 3).Draw(t, "entries")...)
	a.Limit = backend.Limit{Entries: rapid.IntRange(0, 4).Draw(t, "most entries"), Bytes: rapid.IntRange(0, 12).Draw(t, "most bytes")}
	if a.Job == "" {
		a.Slot = pick(t, h.m.slots, func(s *modelSlot) bool { return len(s.tasks) < 2 }).id
	}
	h.world.append(a)
	if x := h.m.journaled(a); x != nil {
		x.streams[a.Stream-backend.LogStream].add(a)
	}
}

// checkJournal compares what one of the jobs has beside its record.
func (h *history) checkJournal(t *rapid.T) {
	id := rapid.SampledFrom(historyJobs).Draw(t, "journal of")
	want := h.m.tasks[id]
	if want == nil {
		h.unjournaled(id)
		return
	}
	for i, s := range streams {
		require.Equal(t, append([]string{}, want.streams[i].entries...), h.journal(backend.JournalRequest{Job: id, Stream: s}))
	}
	past := h.past(id)
	for i := range past {
		past[i].Started, past[i].Ended, past[i].Failure = time.Time{}, time.Time{}, nil
	}
	require.Equal(t, append([]backend.PastAttempt{}, want.past...), append([]backend.PastAttempt{}, past...))
}
