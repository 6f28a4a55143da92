package mn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/multinode/mn"
)

// What a handler logs is in its run's log, for everybody who may see the app.
func ExampleApp_Logs() {
	greet := mn.NewJob("greet", func(ctx context.Context, name string, _ func(string) bool) error {
		mn.Logger(ctx).Info("hello", "name", name)
		mn.Logger(ctx).Warn("good bye")
		return nil
	})
	app, err := mn.New(mn.Config{
		Name: "example", Definitions: []mn.Definition{greet}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()
	ctx := app.Context(context.Background())
	id, err := greet.Start(ctx, "Ada")
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range app.Logs(ctx, id) { // until the run has ended
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Number, e.Level, e.Message, string(e.Attrs))
	}
	// Output:
	// 1 INFO hello {"name":"Ada"}
	// 2 WARN good bye
}

// A job that yields its progress, or holds it in what it yields, is drawn as a bar.
func ExampleNewProgress() {
	type state struct {
		Step mn.Progress
		File string
	}
	load := mn.NewJob("load", func(_ context.Context, rows int64, yield func(state) bool) error {
		p := mn.NewProgress(rows, "rows")
		for range rows / 10 {
			if !yield(state{Step: p.Add(10), File: "a.csv"}) {
				return nil
			}
		}
		return nil
	})
	app, err := mn.New(mn.Config{Name: "example", Definitions: []mn.Definition{load}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()
	ctx := app.Context(context.Background())
	id, err := load.Start(ctx, 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	for run, err := range app.Inspect().Watch(ctx, id) { // knows nothing of type state
		if err != nil {
			fmt.Println(err)
			return
		}
		if run.Status == mn.Succeeded {
			fmt.Printf("%d of %d %s, %.0f%%\n", run.Progress.Done, run.Progress.Total, run.Progress.Unit, 100*run.Progress.Fraction())
		}
	}
	// Output: 100 of 100 rows, 100%
}

// An inspector starts, watches and calls what it has no Go types for.
func ExampleApp_Inspect() {
	double := mn.NewFunction("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	app, err := mn.New(mn.Config{Name: "example", Definitions: []mn.Definition{double}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()
	in, ctx := app.Inspect(), context.Background()
	out, err := in.Call(ctx, "double", json.RawMessage(`21`))
	fmt.Println(string(out), err)
	definitions, err := in.Definitions(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range definitions {
		fmt.Println(d.Kind, d.Name, d.Workers)
	}
	// Output:
	// 42 <nil>
	// function double 1
}
