package mn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/multinode/mn"
)

func ExampleWithLock() {
	vacuum := mn.NewJob("vacuum", func(ctx context.Context, table string, yield func(string) bool) error {
		yield("vacuuming " + table)
		<-ctx.Done()
		return nil
	})
	app := newApp(vacuum)
	defer app.Close()
	ctx := context.Background()

	first, err := vacuum.On(app).Start(ctx, "users", mn.WithLock("table/users"))
	if err != nil {
		panic(err)
	}
	_, err = vacuum.On(app).Start(ctx, "users", mn.WithLock("table/users"))
	var held *mn.LockError
	if errors.As(err, &held) {
		fmt.Println(held.Key, "is held by the first:", held.Holder == first)
	}
	// Output: table/users is held by the first: true
}

func ExampleTryLock() {
	merge := mn.NewJob("merge", func(ctx context.Context, branch string, yield func(string) bool) error {
		// What is to be locked is often known only while the job runs.
		if err := mn.TryLock(ctx, "branch/"+branch); err != nil {
			return err
		}
		yield("merged")
		return nil
	})
	app := newApp(merge)
	defer app.Close()
	ctx := context.Background()

	id, err := merge.On(app).Start(ctx, "main")
	if err != nil {
		panic(err)
	}
	fmt.Println(merge.On(app).Wait(ctx, id))
	// Output: merged <nil>
}

func ExampleLastYield() {
	// The yields of an import are its checkpoints: how many rows are stored.
	imports := mn.NewJob("import", func(ctx context.Context, rows int, yield func(int) bool) error {
		done, resumed := mn.LastYield[int](ctx)
		if resumed {
			fmt.Printf("attempt %d goes on after row %d\n", mn.Attempt(ctx), done)
		}
		for done < rows {
			done += 10 // import ten rows
			if !yield(done) {
				return nil
			}
			if done == 30 && !resumed {
				return errors.New("connection lost")
			}
		}
		return nil
	}, mn.Retries(3), mn.Backoff(time.Millisecond, time.Millisecond))
	app := newApp(imports)
	defer app.Close()
	ctx := context.Background()

	id, err := imports.On(app).Start(ctx, 50)
	if err != nil {
		panic(err)
	}
	fmt.Println(imports.On(app).Wait(ctx, id))
	// Output:
	// attempt 2 goes on after row 30
	// 50 <nil>
}

func ExampleRetries() {
	fetch := mn.NewFunction("fetch", func(ctx context.Context, url string) (string, error) {
		if mn.Attempt(ctx) < 3 {
			return "", errors.New("connection refused")
		}
		return "fetched at attempt " + fmt.Sprint(mn.Attempt(ctx)), nil
	}, mn.Retries(5), mn.Backoff(time.Millisecond, time.Second))
	app := newApp(fetch)
	defer app.Close()

	fmt.Println(fetch.On(app).Call(context.Background(), "https://example.com"))
	// Output: fetched at attempt 3 <nil>
}

func ExamplePermanent() {
	parse := mn.NewFunction("parse", func(_ context.Context, text string) (int, error) {
		return 0, mn.Permanent(fmt.Errorf("%q is no number", text)) // no attempt will mend that
	}, mn.Retries(5))
	app := newApp(parse)
	defer app.Close()

	_, err := parse.On(app).Call(context.Background(), "seven")
	var failed *mn.RunError
	fmt.Println(errors.As(err, &failed), failed.Attempt, failed.Message)
	// Output: true 1 "seven" is no number
}

func ExampleCleanupContext() {
	remove := mn.NewFunction("remove-files", func(_ context.Context, prefix string) (int, error) { return 3, nil })
	upload := mn.NewJob("upload", func(ctx context.Context, prefix string, yield func(string) bool) error {
		yield("uploading")
		<-ctx.Done() // cancelled half-way
		// ctx is over, but there is time to clean up until CancellationGrace ends.
		n, err := remove.Call(mn.CleanupContext(ctx), prefix)
		yield(fmt.Sprintf("removed %d files", n))
		return err
	}, mn.CancellationGrace(time.Minute))
	app := newApp(upload, remove)
	defer app.Close()
	ctx := context.Background()

	id, err := upload.On(app).Start(ctx, "backup/")
	if err != nil {
		panic(err)
	}
	for info := range upload.On(app).Watch(ctx, id) {
		if info.Status == mn.Running && info.Yields > 0 {
			_ = upload.On(app).Cancel(ctx, id)
		}
		if info.Status.Terminal() {
			fmt.Println(info.Status, info.Result)
		}
	}
	// Output: CANCELLED removed 3 files
}

func ExampleEncrypt() {
	codec, err := mn.Encrypt(mn.JSON, mn.Keys{
		Current: "2025-01",
		Keys: map[string][]byte{
			"2025-01": bytes.Repeat([]byte{1}, 32), // from a secret store
			"2024-07": bytes.Repeat([]byte{2}, 32), // still decrypts what is old
		},
	})
	if err != nil {
		panic(err)
	}
	app, err := mn.New(mn.Config{Name: "example", Definitions: []mn.Definition{Words}, Codec: codec})
	if err != nil {
		panic(err)
	}
	defer app.Close()

	// The backend sees ciphertext only.
	fmt.Println(Words.On(app).Call(context.Background(), "my secret words"))
	// Output: 3 <nil>
}

func ExampleUnordered() {
	app := newApp(Words)
	defer app.Close()

	texts := slices.Values([]string{"one two three", "one two", "one"})
	for n, err := range Words.On(app).Map(context.Background(), texts, mn.Unordered(), mn.MaxInFlight(10)) {
		fmt.Println(n, err) // as they come
	}
	// Unordered output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}
