// Hello is the program of docs/start.md: a job that counts words with a function.
//
//	go run ./examples/hello
package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strings"

	"github.com/multinode/mn"
)

// CountWords is a function: a remote call, with the hardware that each of its workers needs.
var CountWords = mn.NewFunction("count-words", countWords, mn.CPU(0.5), mn.MaxWorkers(4))

func countWords(_ context.Context, text string) (int, error) {
	return len(strings.Fields(text)), nil
}

// Count is a job: a workflow that yields results while it runs.
var Count = mn.NewJob("count", count)

func count(ctx context.Context, texts []string, yield func(int) bool) error {
	total := 0
	for n, err := range CountWords.Map(ctx, slices.Values(texts)) {
		if err != nil {
			return err
		}
		total += n
		if !yield(total) { // every reader sees it from now on
			return nil // told to stop
		}
	}
	return nil
}

func main() {
	app, err := mn.New(mn.Config{
		Name:        "hello",
		Definitions: []mn.Definition{Count, CountWords},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Run(context.Background(), hello); err != nil {
		log.Fatal(err)
	}
}

func hello(ctx context.Context) error {
	id, err := Count.Start(ctx, []string{"to be", "or not to be", "that is the question"})
	if err != nil {
		return err
	}
	total, err := Count.Wait(ctx, id)
	if err != nil {
		return err
	}
	fmt.Println(total, "words")
	return nil
}
