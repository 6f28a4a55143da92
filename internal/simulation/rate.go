package simulation

import (
	"slices"
	"time"
)

// rate counts events by their time.
type rate struct{ at []time.Time }

func (r *rate) add() { r.at = append(r.at, time.Now()) }

// most is how many events there were at the most in any window of the length.
func (r *rate) most(window time.Duration) (most int) {
	first := 0
	for i, t := range r.at {
		for t.Sub(r.at[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// between is how many there were from a moment until before another.
func (r *rate) between(from, to time.Time) int {
	at := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(r.at, t, time.Time.Compare)
		return i
	}
	return at(to) - at(from)
}
