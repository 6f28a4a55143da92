package mn_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/multinode/mn"
)

type num struct{ N int }

var double = mn.NewFunction("double", func(_ context.Context, in num) (num, error) { return num{in.N * 2}, nil })
var sum = mn.NewJob("sum", func(ctx context.Context, in num, yield func(num) bool) error {
	t := 0
	for v, err := range double.Map(ctx, func(yield func(num) bool) {
		for i := range in.N {
			if !yield(num{i}) {
				return
			}
		}
	}) {
		if err != nil {
			return err
		}
		t += v.N
		if !yield(num{t}) {
			return nil
		}
	}
	return nil
})
var noop = mn.NewJob("noop", func(context.Context, num, func(num) bool) error { return nil })
var fib = mn.NewFunction[int, int]("fib", nil, mn.MaxWorkers(1))

func init() {
	fib.Handle(func(ctx context.Context, n int) (int, error) {
		if n < 2 {
			return n, nil
		}
		a, err := fib.Call(ctx, n-1)
		if err != nil {
			return 0, err
		}
		b, err := fib.Call(ctx, n-2)
		return a + b, err
	})
}

func TestSmoke(t *testing.T) {
	app, err := mn.New(mn.Config{Name: "t", Definitions: []mn.Definition{double, sum, fib}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	id, err := sum.On(app).Start(ctx, num{1000}, mn.WithLock("a"))
	fmt.Println(id, err)
	for info, err := range sum.On(app).Watch(ctx, id) {
		fmt.Printf("%+v %v\n", info, err)
	}
	out, err := sum.On(app).Wait(ctx, id)
	fmt.Println(out, err)
	fmt.Println(fib.On(app).Call(ctx, 10))
	var ids []mn.JobID
	for id, err := range sum.On(app).ListIDs(ctx) {
		fmt.Println(id, err)
		ids = append(ids, id)
	}
	_ = slices.Reverse[[]mn.JobID]
	fmt.Println(app.Shutdown(ctx))
}

func newApp(b *testing.B) *mn.App {
	app, err := mn.New(mn.Config{Name: "t", Definitions: []mn.Definition{double, sum, noop}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { app.Close() })
	return app
}

func BenchmarkCall(b *testing.B) {
	f := double.On(newApp(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Call(b.Context(), num{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallParallel(b *testing.B) {
	f := double.On(newApp(b))
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Call(b.Context(), num{1}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMap(b *testing.B) {
	f := double.On(newApp(b))
	b.ReportAllocs()
	n := 0
	for _, err := range f.Map(b.Context(), func(yield func(num) bool) {
		for b.Loop() {
			if !yield(num{n}) {
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
	j := noop.On(newApp(b))
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
