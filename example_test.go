package mn_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/multinode/mn"
)

// Words counts words. Each worker of it gets a core.
var Words = mn.NewFunction("words", func(_ context.Context, text string) (int, error) {
	if text == "" {
		return 0, errors.New("nothing to count")
	}
	return len(strings.Fields(text)), nil
}, mn.CPU(1), mn.MaxWorkers(4))

// Report counts words of several texts and shows how far it is.
var Report = mn.NewJob("report", func(ctx context.Context, texts []string, yield func(string) bool) error {
	total := 0
	for n, err := range Words.Map(ctx, slices.Values(texts)) {
		if err != nil {
			return err
		}
		total += n
		if !yield(fmt.Sprintf("%d words", total)) {
			return nil // cancelled, or to be continued elsewhere
		}
	}
	return nil
})

// newApp makes an app that lives in this process alone, as in unit tests and demos.
func newApp(defs ...mn.Definition) *mn.App {
	app, err := mn.New(mn.Config{Name: "example", Definitions: defs})
	if err != nil {
		panic(err)
	}
	return app
}

func Example() {
	app := newApp(Words, Report)
	defer app.Close()
	ctx := context.Background()

	reports := Report.On(app)
	id, err := reports.Start(ctx, []string{"to be", "or not to be"})
	if err != nil {
		panic(err)
	}
	result, err := reports.Wait(ctx, id)
	fmt.Println(result, err)
	// Output: 6 words <nil>
}

func ExampleFunction_Call() {
	app := newApp(Words)
	defer app.Close()
	ctx := context.Background()

	n, err := Words.On(app).Call(ctx, "to be or not to be")
	fmt.Println(n, err)

	_, err = Words.On(app).Call(ctx, "")
	var failed *mn.RunError
	if errors.As(err, &failed) {
		fmt.Println(failed.Kind, failed.Name, "failed:", failed.Message)
	}
	// Output:
	// 6 <nil>
	// function words failed: nothing to count
}

func ExampleFunction_Map() {
	app := newApp(Words)
	defer app.Close()

	texts := slices.Values([]string{"one", "", "one two three"})
	for n, err := range Words.On(app).Map(context.Background(), texts) {
		if err != nil {
			fmt.Println("skipped") // an error belongs to its input
			continue
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// skipped
	// 3
}

func ExampleFunction_Go() {
	app := newApp(Words)
	defer app.Close()
	ctx := context.Background()

	first := Words.On(app).Go(ctx, "to be")
	second := Words.On(app).Go(ctx, "or not to be")
	a, err := first.Wait(ctx)
	if err != nil {
		panic(err)
	}
	b, err := second.Wait(ctx)
	fmt.Println(a+b, err)
	// Output: 6 <nil>
}

func ExampleFunction_Handle() {
	// A function that calls itself names itself, so its handler is given later.
	fib := mn.NewFunction[int, int]("fib", nil, mn.MaxWorkers(1))
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
	app := newApp(fib)
	defer app.Close()

	fmt.Println(fib.On(app).Call(context.Background(), 10))
	// Output: 55 <nil>
}

func ExampleFunction_Local() {
	// Without an app, the handler as it is.
	fmt.Println(Words.Local(context.Background(), "to be or not to be"))
	// Output: 6 <nil>
}

func ExampleJob_Local() {
	count := mn.NewJob("count", func(_ context.Context, n int, yield func(int) bool) error {
		for i := range n {
			if !yield(i + 1) {
				return nil
			}
		}
		return nil
	})
	// Without an app, each yield of the handler.
	for v, err := range count.Local(context.Background(), 3) {
		fmt.Println(v, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

func ExampleJob_Start() {
	app := newApp(Words, Report)
	defer app.Close()
	ctx := context.Background()

	id, err := Report.On(app).Start(ctx, []string{"to be", "or not to be"})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(id)) // a UUID, to be kept: any program can ask for the job with it
	_, err = Report.On(app).Wait(ctx, id)
	fmt.Println(err)
	info, err := Report.On(app).Get(ctx, id)
	fmt.Println(info.Status, info.Result, err)
	// Output:
	// 36
	// <nil>
	// SUCCEEDED 6 words <nil>
}

func ExampleJob_Watch() {
	steps := mn.NewJob("steps", func(_ context.Context, names []string, yield func(string) bool) error {
		for _, name := range names {
			if !yield(name) {
				return nil
			}
		}
		return nil
	}, mn.KeepYields(10))
	app := newApp(steps)
	defer app.Close()
	ctx := context.Background()

	id, err := steps.On(app).Start(ctx, []string{"load", "sort", "store"})
	if err != nil {
		panic(err)
	}
	shown := uint64(0)
	for info, err := range steps.On(app).Watch(ctx, id, mn.FromYield(1)) {
		if err != nil {
			panic(err)
		}
		if info.Yields > shown {
			fmt.Println(info.Yields, info.Result)
			shown = info.Yields
		}
		if info.Status.Terminal() {
			fmt.Println(info.Status)
		}
	}
	// Output:
	// 1 load
	// 2 sort
	// 3 store
	// SUCCEEDED
}

func ExampleJob_Cancel() {
	forever := mn.NewJob("forever", func(ctx context.Context, _ int, yield func(string) bool) error {
		yield("going on")
		<-ctx.Done()
		fmt.Println("told to stop:", context.Cause(ctx))
		return nil
	})
	app := newApp(forever)
	defer app.Close()
	ctx := context.Background()

	id, err := forever.On(app).Start(ctx, 0)
	if err != nil {
		panic(err)
	}
	for info := range forever.On(app).Watch(ctx, id) {
		if info.Status == mn.Running && info.Yields > 0 {
			_ = forever.On(app).Cancel(ctx, id) // Cancel does not wait; the watch shows the end
		}
		if info.Status.Terminal() {
			fmt.Println(info.Status, "after:", info.Result)
		}
	}
	// Output:
	// told to stop: job cancelled
	// CANCELLED after: going on
}

func ExampleJob_List() {
	app := newApp(Words, Report)
	defer app.Close()
	ctx := context.Background()

	for _, texts := range [][]string{{"one"}, {""}, {"one", "two"}} {
		id, err := Report.On(app).Start(ctx, texts)
		if err != nil {
			panic(err)
		}
		_, _ = Report.On(app).Wait(ctx, id)
	}
	for info, err := range Report.On(app).List(ctx, mn.WithStatus(mn.Succeeded)) {
		fmt.Println(info.Result, err) // newest first
	}
	// Output:
	// 2 words <nil>
	// 1 words <nil>
}

func ExampleApp_Run() {
	app := newApp(Words)
	// In a real program: the whole of main, with a context that ends at Ctrl-C.
	err := app.Run(context.Background(), func(ctx context.Context) error {
		n, err := Words.Call(ctx, "bound by the context") // which carries the app
		fmt.Println(n)
		return err
	})
	fmt.Println(err)
	// Output:
	// 4
	// <nil>
}

func ExampleApp_Shutdown() {
	app := newApp(Words, Report)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	// What runs may finish within the minute; what does not is handed back.
	fmt.Println(app.Shutdown(ctx))
	_, err := Words.On(app).Call(ctx, "too late")
	fmt.Println(errors.Is(err, mn.ErrAppClosed))
	// Output:
	// <nil>
	// true
}
