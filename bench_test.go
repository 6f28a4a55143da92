package mn_test

import (
	"context"
	"testing"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// num is a small value of a struct type, as most inputs and results are.
type num struct{ N int }

var (
	quick = mn.NewFunction("quick", func(_ context.Context, in num) (num, error) { return num{in.N * 2}, nil })
	idle  = mn.NewJob("idle", func(context.Context, num, func(num) bool) error { return nil })
)

func BenchmarkCall(b *testing.B) {
	f := quick.On(mntest.New(b, quick))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Call(b.Context(), num{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallParallel(b *testing.B) {
	f := quick.On(mntest.New(b, quick))
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Call(b.Context(), num{1}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkMap(b *testing.B) {
	f := quick.On(mntest.New(b, quick))
	b.ReportAllocs()
	for _, err := range f.Map(b.Context(), func(yield func(num) bool) {
		for b.Loop() {
			if !yield(num{1}) {
				return
			}
		}
	}) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJob(b *testing.B) {
	j := idle.On(mntest.New(b, idle))
	b.ReportAllocs()
	for b.Loop() {
		id, err := j.Start(b.Context(), num{1})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := j.Wait(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}
