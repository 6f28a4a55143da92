package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/multinode/mn"
)

var render = mn.NewFunction("render", renderPage, mn.MaxWorkers(4))

var report = mn.NewJob("report", makeReport, mn.MaxConcurrency(2), mn.Retries(1), mn.Backoff(100*time.Millisecond, time.Second))

// definitions are what the app executes.
func definitions() []mn.Definition { return []mn.Definition{render, report} }

// renderPage takes its time, and fails for one page in fifty.
func renderPage(ctx context.Context, page int) (string, error) {
	select {
	case <-time.After(time.Duration(1+rand.IntN(20)) * time.Millisecond):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if rand.IntN(50) == 0 {
		return "", fmt.Errorf("page %d: out of ink", page)
	}
	return fmt.Sprintf("page %d", page), nil
}

// makeReport renders pages in parallel and yields how many are done.
func makeReport(ctx context.Context, pages int, yield func(int) bool) error {
	done := 0
	for _, err := range render.Map(ctx, numbers(pages), mn.Unordered()) {
		if err != nil {
			return err
		}
		if done++; !yield(done) {
			return nil
		}
	}
	mn.Logger(ctx).InfoContext(ctx, "report is ready", "pages", done)
	return nil
}

func numbers(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// work starts a job now and then, until ctx is done.
func work(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if _, err := report.Start(ctx, 1+rand.IntN(20)); err != nil && !errors.Is(err, ctx.Err()) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}
