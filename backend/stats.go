package backend

import (
	"math/bits"
	"time"
)

// Buckets is how many buckets a [Histogram] has.
const Buckets = 32

// bucketUnit is the upper bound of the first bucket; each next one is twice as wide.
const bucketUnit = 16 * time.Microsecond

// Histogram counts durations: its bucket i those below 16 µs × 2^i and not below that of
// bucket i-1. The last bucket, which begins at about 4.8 hours, has no upper bound.
type Histogram [Buckets]uint64

// Bucket is the index of the bucket that counts d.
func Bucket(d time.Duration) int {
	if d < bucketUnit {
		return 0
	}
	return min(bits.Len64(uint64(d/bucketUnit)), Buckets-1)
}

// BucketBound is the upper bound of a bucket, which it does not include.
func BucketBound(i int) time.Duration { return bucketUnit << i }

// Count is how many durations were counted.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h {
		n += c
	}
	return n
}

// Quantile estimates the duration below which the part q (0 to 1) of those counted lie, and
// returns 0 for an empty histogram. It is exact to the bounds of its bucket and assumes that
// durations spread evenly inside.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := q * float64(h.Count())
	for i, c := range h {
		if c > 0 && rank <= float64(c) {
			low := time.Duration(0)
			if i > 0 {
				low = BucketBound(i - 1)
			}
			return low + time.Duration(max(0, rank)/float64(c)*float64(BucketBound(i)-low))
		}
		rank -= float64(c)
	}
	return 0
}

// Minus returns what was counted since an earlier state of the same histogram.
func (h Histogram) Minus(earlier Histogram) Histogram {
	for i := range h {
		h[i] -= min(earlier[i], h[i])
	}
	return h
}

// Stats count the attempts of a pool that have ended, and how long they took.
type Stats struct {
	Succeeded uint64
	Failed    uint64
	Released  uint64 // cancelled, or handed back by a worker that had to stop
	Wait      Histogram
	Run       Histogram
}

// Add adds counts to s.
func (s *Stats) Add(o *Stats) {
	s.Succeeded += o.Succeeded
	s.Failed += o.Failed
	s.Released += o.Released
	for i := range s.Wait {
		s.Wait[i] += o.Wait[i]
		s.Run[i] += o.Run[i]
	}
}

// PoolStats are the counts of one pool.
type PoolStats struct {
	Pool string
	Stats
}
