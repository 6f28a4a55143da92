package dashboard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// fakeDefinitions is a definition that ends ten attempts a second.
type fakeDefinitions struct {
	mu    sync.Mutex
	begun time.Time
	reads int
	more  int // definitions beside it
	err   error
}

func (f *fakeDefinitions) read(context.Context) ([]mn.DefinitionInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	d := mn.DefinitionInfo{Name: "d", Pending: 3, Workers: 5, Idle: 1, Starting: 1}
	d.Stats.Succeeded = uint64(time.Since(f.begun).Seconds() * 10)
	d.Stats.Run[10] = d.Stats.Succeeded
	infos := []mn.DefinitionInfo{d}
	for i := range f.more {
		infos = append(infos, mn.DefinitionInfo{Name: fmt.Sprint(i)})
	}
	return infos, f.err
}

func (f *fakeDefinitions) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func testSampler(t *testing.T) (*sampler, *fakeDefinitions) {
	f := &fakeDefinitions{begun: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return newSampler(f.read, func(run func(context.Context)) bool {
		go run(ctx)
		return true
	}), f
}

func TestTheSamplerRunsOnlyWhileSomebodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := testSampler(t)
		time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
		require.Zero(t, f.count())
		one, two := s.watch(), s.watch()
		time.Sleep(20*time.Second + time.Millisecond) //nolint:forbidigo // synctest clock
		require.Equal(t, 11, f.count(), "two watchers share one sampler")
		one()
		two()
		time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
		stopped := f.count()
		require.LessOrEqual(t, stopped, 11+int(sampleLinger/sampleEvery)+1)
		time.Sleep(time.Hour) //nolint:forbidigo // synctest clock
		require.Equal(t, stopped, f.count())
		defer s.watch()()
		time.Sleep(time.Millisecond) //nolint:forbidigo // synctest clock
		require.Equal(t, stopped+1, f.count(), "it begins again")
	})
}

func TestPointsAreDifferencesAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := testSampler(t)
		leave := s.watch()
		time.Sleep(time.Hour + time.Millisecond) //nolint:forbidigo // synctest clock
		points := s.plot("d", 0)
		one := mn.Histogram{10: 1}
		require.Len(t, points, keptPoints)
		for _, p := range points {
			require.InDelta(t, 10, p.values[succeeded], 0.2)
			require.Equal(t, 3.0, p.values[busy])
			require.True(t, math.IsNaN(p.values[wait50]), "nothing has waited")
			require.InDelta(t, one.Quantile(0.5).Seconds(), p.values[run50], 1e-6)
		}
		require.Empty(t, s.plot("d", points[len(points)-1].T))
		require.Len(t, s.plot("", points[len(points)-3].T), 2)
		leave()
		time.Sleep(time.Hour) //nolint:forbidigo // synctest clock
		defer s.watch()()
		time.Sleep(time.Millisecond) //nolint:forbidigo // synctest clock
		points = s.plot("d", 0)
		require.True(t, math.IsNaN(points[len(points)-2].values[running]), "the lines break where nobody watched")
		require.True(t, math.IsNaN(points[len(points)-1].values[succeeded]), "and no rate spans the break")
	})
}

func TestManyDefinitionsAreReadLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := testSampler(t)
		f.more = 39
		defer s.watch()()
		time.Sleep(time.Minute + time.Millisecond) //nolint:forbidigo // synctest clock
		require.Equal(t, 8, f.count(), "forty of them every eight seconds")
		_, recent := s.last("")
		require.True(t, recent)
	})
}

func TestAReadingThatFailsIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := testSampler(t)
		f.err = errors.New("away")
		defer s.watch()()
		time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
		require.Empty(t, s.plot("", 0))
		_, err := s.read(t.Context())
		require.ErrorContains(t, err, "away")
	})
}
