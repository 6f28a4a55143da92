package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// shelf is a store that keeps what is appended, and fails as it is told.
type shelf struct {
	backend.Store
	mu      sync.Mutex
	appends [][]backend.Addition
	fail    error
	hang    chan struct{} // Append waits for it, or for its context
	calls   int
}

func (s *shelf) Append(ctx context.Context, as []backend.Addition) error {
	s.mu.Lock()
	s.calls++
	hang, fail := s.hang, s.fail
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fail != nil {
		return fail
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appends = append(s.appends, as)
	return nil
}

func (s *shelf) set(fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// texts are the entries of a job in the order in which they were stored.
func (s *shelf) texts(job string) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, as := range s.appends {
		for _, a := range as {
			for _, d := range a.Data {
				if a.Job == job {
					all = append(all, string(d))
				}
			}
		}
	}
	return all
}

func (s *shelf) exchanges() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// onShelf tests a journal, which is closed at the end.
func onShelf(t *testing.T, test func(t *testing.T, s *shelf, j *journal, failures *log[error])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, failures := new(shelf), new(log[error])
		j := newJournal(s, map[backend.Stream]backend.Limit{backend.LogStream: {Entries: 7, Bytes: 70}}, failures.add)
		test(t, s, j, failures)
		j.close(t.Context())
	})
}

func note1(j *journal, job, text string) { j.add(target{job, "", backend.LogStream}, []byte(text)) }

func TestEntriesAreStoredTogetherInOrderSoon(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, _ *log[error]) {
		for i := range 100 {
			note1(j, fmt.Sprint("job", i%2), fmt.Sprint(i/2))
		}
		j.add(target{"", "slot", backend.CallStream}, []byte("call"))
		pass(journalDelay - time.Millisecond)
		require.Zero(t, s.exchanges(), "they wait for others")
		pass(2 * time.Millisecond)
		require.Equal(t, 1, s.exchanges())
		require.Len(t, s.appends[0], 3, "one addition for each target")
		require.Equal(t, backend.Limit{Entries: 7, Bytes: 70}, s.appends[0][0].Limit)
		require.Equal(t, "slot", s.appends[0][2].Slot)
		for job := range 2 {
			got := s.texts(fmt.Sprint("job", job))
			require.Len(t, got, 50)
			for i, text := range got {
				require.Equal(t, fmt.Sprint(i), text)
			}
		}
		pass(time.Minute)
		require.Equal(t, 1, s.exchanges(), "and then there is nothing to do")
	})
}

func TestManyEntriesAreStoredAtOnceInBatches(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, _ *log[error]) {
		text := strings.Repeat("x", 1000)
		for range 200 {
			note1(j, "job", text)
		}
		pass(time.Millisecond)
		require.Greater(t, len(s.texts("job")), 50, "without waiting")
		pass(journalDelay)
		require.Len(t, s.texts("job"), 200)
		for _, as := range s.appends {
			require.LessOrEqual(t, len(as[0].Data)*1000, journalBatch+1000)
		}
	})
}

func TestWhatCouldNotBeStoredIsTriedAgainInOrder(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, failures *log[error]) {
		s.set(errDown)
		note1(j, "job", "1")
		pass(journalDelay)
		note1(j, "job", "2")
		pass(10 * time.Second)
		require.Empty(t, s.texts("job"))
		require.InDelta(t, 10, s.exchanges(), 2, "about once a second")
		require.ErrorIs(t, failures.entries()[0], errDown)
		s.set(nil)
		note1(j, "job", "3")
		pass(journalRetry + journalDelay)
		require.Equal(t, []string{"1", "2", "3"}, s.texts("job"))
	})
}

func TestWhatIsAddedWhileStoringFailsComesAfterwards(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, _ *log[error]) {
		s.hang = make(chan struct{})
		s.set(errDown)
		note1(j, "job", "1")
		pass(journalDelay)
		note1(j, "job", "2")
		close(s.hang)
		pass(time.Millisecond)
		s.set(nil)
		pass(journalRetry + journalDelay)
		require.Equal(t, []string{"1", "2"}, s.texts("job"))
	})
}

func TestWhatAFullBackendRefusesIsDropped(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, failures *log[error]) {
		s.set(backend.ErrBackpressure)
		note1(j, "job", "1")
		pass(journalDelay)
		s.set(nil)
		note1(j, "job", "2")
		pass(journalDelay)
		require.Equal(t, []string{"2"}, s.texts("job"))
		require.ErrorContains(t, failures.entries()[0], "1 entries are dropped")
	})
}

func TestWhileTheBackendIsAwayRoomIsBoundedAndTheNewestStay(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, failures *log[error]) {
		s.set(errDown)
		text := strings.Repeat("x", 1000)
		const n = 10_000
		for i := range n {
			note1(j, "job", fmt.Sprintf("%05d%s", i, text))
			if i%100 == 0 {
				pass(10 * time.Millisecond) // flushes fail meanwhile
			}
		}
		j.mu.Lock()
		require.LessOrEqual(t, j.bytes, journalRoom)
		j.mu.Unlock()
		s.set(nil)
		pass(journalRetry + journalDelay)
		got := s.texts("job")
		require.Greater(t, len(got), 3000)
		require.Less(t, len(got), n/2)
		for i, text := range got {
			require.Equal(t, fmt.Sprintf("%05d", n-len(got)+i), text[:5])
		}
		var told bool
		for _, err := range failures.entries() {
			told = told || strings.HasPrefix(err.Error(), fmt.Sprintf("%d entries were dropped", n-len(got)))
		}
		require.True(t, told, "it says how many are gone: %v", failures.entries())
	})
}

// A backend that hangs must not cost a goroutine for each entry: the bubble would not end.
func TestWhileTheBackendHangsOneExchangeIsUnderWay(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, _ *log[error]) {
		s.hang = make(chan struct{})
		text := strings.Repeat("x", journalBatch)
		for range 50 {
			note1(j, "job", text)
			pass(time.Millisecond)
		}
		require.Equal(t, 1, s.exchanges())
		close(s.hang)
		pass(journalRetry)
		require.Len(t, s.texts("job"), 50)
	})
}

func TestFlushStoresWhatWaits(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, _ *log[error]) {
		j.flush(t.Context())
		require.Zero(t, s.exchanges(), "nothing waits")
		note1(j, "job", "1")
		j.flush(t.Context())
		require.Equal(t, []string{"1"}, s.texts("job"))
	})
}

func TestCloseStoresWhatWaitsAndTakesNothingOn(t *testing.T) {
	onShelf(t, func(t *testing.T, s *shelf, j *journal, failures *log[error]) {
		note1(j, "job", "1")
		s.set(errDown)
		time.AfterFunc(time.Millisecond, func() { s.set(nil) })
		j.close(t.Context())
		note1(j, "job", "2")
		pass(time.Minute)
		require.Equal(t, []string{"1"}, s.texts("job"), "a short failure at the end costs nothing")
		require.Len(t, failures.entries(), 1)
	})
	onShelf(t, func(t *testing.T, s *shelf, j *journal, failures *log[error]) {
		note1(j, "job", "1")
		s.set(errDown)
		j.close(t.Context())
		all := failures.entries()
		require.ErrorContains(t, errors.Join(all...), "1 entries are given up")
		require.Equal(t, lastTries, s.exchanges())
	})
}

// What a job has logged is stored before its end, so that who follows its log to the end has all.
func TestAJobsEntriesAreStoredBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stored int
		r := newRig(t, jobs(func(a *Attempt) ([]byte, error) {
			a.Process().Note(a.Lease.Task, "", backend.LogStream, []byte("line"))
			return nil, nil
		}))
		r.journal.limits = map[backend.Stream]backend.Limit{backend.LogStream: {Entries: 10, Bytes: 1000}}
		r.settle = func(backend.Settlement) error {
			es, err := r.Journal(t.Context(), backend.JournalRequest{Job: "j", Stream: backend.LogStream})
			stored = len(es)
			return err
		}
		r.start("job", "j")
		require.Equal(t, 1, stored)
	})
}
