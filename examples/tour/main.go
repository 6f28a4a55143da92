// Tour is the program of the README's five-minute tour: a job that finds the primes
// up to a number, range by range, with a function that runs in parallel.
//
//	go run ./examples/tour
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"math/big"
	"os"

	"github.com/multinode/mn"
)

// Range is the numbers From ≤ n < To.
type Range struct{ From, To int64 }

// CountPrimes is a function: a typed remote call, with the hardware it needs.
var CountPrimes = mn.NewFunction("count-primes", countPrimes,
	mn.CPU(1), mn.Memory(128*mn.MiB), mn.MaxWorkers(8))

func countPrimes(ctx context.Context, r Range) (int, error) {
	count := 0
	for n := r.From; n < r.To; n++ {
		if ctx.Err() != nil { // nobody wants the result any more
			return 0, context.Cause(ctx)
		}
		if big.NewInt(n).ProbablyPrime(0) { // exact below 2^64
			count++
		}
	}
	return count, nil
}

// Progress is what the job yields.
type Progress struct {
	Done   int64 // numbers looked at
	Primes int
}

// Primes is a job: a workflow that yields results while it runs.
var Primes = mn.NewJob("primes", primes, mn.Retries(2))

func primes(ctx context.Context, upTo int64, yield func(Progress) bool) error {
	p, _ := mn.LastYield[Progress](ctx) // where an attempt that crashed had got to
	for count, err := range CountPrimes.Map(ctx, ranges(p.Done, upTo, 10_000)) {
		if err != nil {
			return err
		}
		p.Done = min(p.Done+10_000, upTo)
		p.Primes += count
		if !yield(p) { // every reader sees it from now on
			return nil // cancelled or timed out
		}
	}
	return nil
}

// ranges are the consecutive ranges of size from one number to another. Map takes them
// as it needs them.
func ranges(from, to, size int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for ; from < to; from += size {
			if !yield(Range{from, min(from+size, to)}) {
				return
			}
		}
	}
}

func main() {
	app, err := mn.New(mn.Config{
		Name:        "tour",
		Definitions: []mn.Definition{Primes, CountPrimes},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Run(context.Background(), func(ctx context.Context) error { return tour(ctx, os.Stdout) }); err != nil {
		log.Fatal(err)
	}
}

func tour(ctx context.Context, w io.Writer) error {
	id, err := Primes.Start(ctx, 100_000, mn.WithLock("primes"))
	if err != nil {
		return err
	}

	_, err = Primes.Start(ctx, 200_000, mn.WithLock("primes"))
	var held *mn.LockError
	if !errors.As(err, &held) || held.Holder != id {
		return fmt.Errorf("the lock was not held: %w", err)
	}

	for info, err := range Primes.Watch(ctx, id) {
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%-9s %3d%% %d primes\n", info.Status, info.Result.Done/1000, info.Result.Primes)
	}

	result, err := Primes.Wait(ctx, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d primes below 100000\n", result.Primes)
	return Primes.Remove(ctx, id)
}
