package engine_test

import (
	"testing"

	"github.com/multinode/mn/examples/chess/engine"
)

// BenchmarkSearch reports the nodes one core visits in a second, from which
// DefaultNodes follows.
func BenchmarkSearch(b *testing.B) {
	for _, name := range engine.Strategies() {
		b.Run(name, func(b *testing.B) {
			nodes := 0
			for b.Loop() {
				s, err := engine.Search(b.Context(), engine.Request{FEN: engine.FamousFEN, Strategy: name})
				if err != nil {
					b.Fatal(err)
				}
				nodes += s.Nodes
			}
			b.ReportMetric(float64(nodes)/b.Elapsed().Seconds(), "nodes/s")
		})
	}
}
