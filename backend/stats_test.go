package backend_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/multinode/mn/backend"
)

// anyDuration draws from all magnitudes alike.
func anyDuration() *rapid.Generator[time.Duration] {
	return rapid.Custom(func(t *rapid.T) time.Duration {
		most := int64(1) << rapid.IntRange(0, 62).Draw(t, "magnitude")
		return time.Duration(rapid.Int64Range(0, most).Draw(t, "duration"))
	})
}

// filled counts durations.
func filled(durations []time.Duration) (h backend.Histogram) {
	for _, d := range durations {
		h[backend.Bucket(d)]++
	}
	return h
}

func TestBucketsAreBoundedAsTheySay(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want int
	}{
		{math.MinInt64, 0},
		{-1, 0},
		{0, 0},
		{16*time.Microsecond - 1, 0},
		{16 * time.Microsecond, 1},
		{32*time.Microsecond - 1, 1},
		{32 * time.Microsecond, 2},
		{time.Millisecond, 6},
		{backend.BucketBound(backend.Buckets-2) - 1, backend.Buckets - 2},
		{backend.BucketBound(backend.Buckets - 2), backend.Buckets - 1},
		{backend.BucketBound(backend.Buckets - 1), backend.Buckets - 1},
		{math.MaxInt64, backend.Buckets - 1},
	} {
		require.Equal(t, c.want, backend.Bucket(c.d), "%s", c.d)
	}
	require.InDelta(t, 4.8, backend.BucketBound(backend.Buckets-2).Hours(), 0.1)
	rapid.Check(t, func(t *rapid.T) {
		d := anyDuration().Draw(t, "d")
		i := backend.Bucket(d)
		if i > 0 {
			require.GreaterOrEqual(t, d, backend.BucketBound(i-1))
		}
		if i < backend.Buckets-1 {
			require.Less(t, d, backend.BucketBound(i))
		}
	})
}

// The estimate lies in the bucket of the duration that has the rank, and grows with q.
func TestQuantilesLieInTheirBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ds := rapid.SliceOfN(anyDuration(), 1, 50).Draw(t, "durations")
		h := filled(ds)
		require.EqualValues(t, len(ds), h.Count())
		slices.Sort(ds)
		last := time.Duration(0)
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.99, 1} {
			got := h.Quantile(q)
			require.GreaterOrEqual(t, got, last)
			last = got
			at := max(0, int(math.Ceil(q*float64(len(ds))))-1)
			bucket := backend.Bucket(ds[at])
			require.LessOrEqual(t, got, backend.BucketBound(bucket), "quantile %g", q)
			if bucket > 0 {
				require.GreaterOrEqual(t, got, backend.BucketBound(bucket-1), "quantile %g", q)
			}
		}
	})
}

func TestQuantilesOfKnownHistograms(t *testing.T) {
	var h backend.Histogram
	for _, q := range []float64{0, 0.5, 1} {
		require.Zero(t, h.Quantile(q), "an empty histogram")
	}
	h[0] = 4
	require.Equal(t, 8*time.Microsecond, h.Quantile(0.5))
	require.Equal(t, 16*time.Microsecond, h.Quantile(1))
	h[2] = 4 // 32 to 64 µs
	require.Equal(t, 16*time.Microsecond, h.Quantile(0.5))
	require.Equal(t, 48*time.Microsecond, h.Quantile(0.75))
	require.Equal(t, 64*time.Microsecond, h.Quantile(1))
	require.Equal(t, time.Duration(0), h.Quantile(-1))
}

// anyStats draws counts below 2^40.
func anyStats() *rapid.Generator[backend.Stats] {
	return rapid.Custom(func(t *rapid.T) (s backend.Stats) {
		count := rapid.Uint64Range(0, 1<<40)
		s.Succeeded, s.Failed, s.Released = count.Draw(t, "succeeded"), count.Draw(t, "failed"), count.Draw(t, "released")
		for i := range backend.Buckets {
			s.Wait[i], s.Run[i] = count.Draw(t, "wait"), count.Draw(t, "run")
		}
		return s
	})
}

func TestMinusUndoesAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyStats().Draw(t, "a"), anyStats().Draw(t, "b")
		sum := a
		sum.Add(&b)
		require.Equal(t, a.Wait, sum.Wait.Minus(b.Wait))
		require.Equal(t, b.Run, sum.Run.Minus(a.Run))
		require.Equal(t, []uint64{a.Succeeded + b.Succeeded, a.Failed + b.Failed, a.Released + b.Released},
			[]uint64{sum.Succeeded, sum.Failed, sum.Released})
		require.Equal(t, a.Run.Count()+b.Run.Count(), sum.Run.Count())
		other := b
		other.Add(&a)
		require.Equal(t, sum, other)
	})
}

// What is reported again from zero, after a store was emptied, is less than before.
func TestMinusOfMoreIsZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyStats().Draw(t, "a").Run, anyStats().Draw(t, "b").Run
		got := a.Minus(b)
		for i := range got {
			require.Equal(t, a[i]-min(a[i], b[i]), got[i])
		}
	})
}
