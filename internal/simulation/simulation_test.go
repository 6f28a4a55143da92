package simulation

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIdealIsTheTimeOfALiquid(t *testing.T) {
	m := Model{Workers: 100, Rate: 10, Burst: 20, Cold: 3 * time.Second}
	for work, want := range map[time.Duration]time.Duration{
		0:                      3 * time.Second,
		20*time.Second + 5*1e9: 4 * time.Second,                    // 20 from the beginning, and 5 of those that come within the second
		(20*8 + 320) * 1e9:     11 * time.Second,                   // all the ramp of 8 s
		(20*8 + 320) * 1e9 * 2: 11*time.Second + 4800*1e6,          // and as much with all workers
		1e6 * time.Second:      11*time.Second + (1e6-480)/100*1e9, // where the ramp hardly matters
	} {
		m.Work = work
		require.InDelta(t, want.Seconds(), m.Ideal().Seconds(), 1e-6, "%s of work", work)
	}
}

func TestRateFindsTheFullestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rate
		begin := time.Now()
		for _, wait := range []int{0, 400, 400, 400, 100, 99, 5000} {
			time.Sleep(time.Duration(wait) * time.Millisecond) //nolint:forbidigo // synctest clock
			r.add()
		}
		require.Equal(t, 5, r.most(time.Second), "from 400 to 1399 ms")
		require.Equal(t, 2, r.between(begin.Add(400*time.Millisecond), begin.Add(1200*time.Millisecond)), "the first moment counts, the last does not")
	})
}

func TestDelaysHaveTheirMeanAndMedian(t *testing.T) {
	c, d := newChance(1), Delay{Median: time.Second, Sigma: 0.5}
	var sum time.Duration
	below := 0
	const n = 100_000
	for range n {
		x := c.delay(d)
		sum += x
		if x < time.Second {
			below++
		}
	}
	require.InEpsilon(t, d.Mean().Seconds(), (sum / n).Seconds(), 0.02)
	require.InEpsilon(t, n/2, below, 0.02)
	require.False(t, sleep(canceled(), time.Hour))
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
