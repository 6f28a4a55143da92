package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/multinode/mn"
)

// Request is what a word count is asked for.
type Request struct {
	Documents []Document `json:"documents"`
	Top       int        `json:"top,omitempty"` // how many words to list; 0: ten
}

// Document is a text with a name that is unique in its request.
type Document struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Progress is a word count on its way, or its result.
type Progress struct {
	Documents int         `json:"documents"` // counted so far
	Total     int         `json:"total"`     // documents in all
	Words     int         `json:"words"`
	Distinct  int         `json:"distinct"`
	Top       []WordCount `json:"top"` // the most frequent words, those first
}

// WordCount is how often a word occurs.
type WordCount struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

// CountWords counts the words of one document.
var CountWords = mn.NewFunction("count-words", countWords, mn.MaxWorkers(4))

// CountAll counts the words of all documents in parallel, and yields after each. MaxPending
// is where the service says that it has enough to do; KeepYields lets a client that lost
// its connection see the progress it missed. To count again does no harm, so a run whose
// worker was lost is repeated.
var CountAll = mn.NewJob("count-all", countAll, mn.MaxConcurrency(4), mn.MaxPending(100), mn.KeepYields(100), mn.Retries(1))

const (
	defaultTop = 10
	maxTop     = 1000
)

// check is the validation of what comes from outside; its errors are for the client.
func (r *Request) check() error {
	if len(r.Documents) == 0 {
		return errors.New("documents must not be empty")
	}
	if r.Top < 0 || r.Top > maxTop {
		return fmt.Errorf("top must be from 0 to %d", maxTop)
	}
	seen := make(map[string]bool)
	for i, d := range r.Documents {
		if d.Name == "" {
			return fmt.Errorf("documents[%d] has no name", i)
		}
		if seen[d.Name] {
			return fmt.Errorf("two documents are named %q", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}

func countAll(ctx context.Context, in Request, yield func(Progress) bool) error {
	counts := make(map[string]int)
	p := Progress{Total: len(in.Documents)}
	for of, err := range CountWords.Map(ctx, slices.Values(in.Documents), mn.Unordered()) {
		if err != nil {
			return err
		}
		for word, n := range of {
			counts[word] += n
			p.Words += n
		}
		p.Documents++
		p.Distinct = len(counts)
		p.Top = top(counts, cmp.Or(in.Top, defaultTop))
		if !yield(p) {
			return context.Cause(ctx)
		}
	}
	return nil
}

func countWords(_ context.Context, d Document) (map[string]int, error) {
	counts := make(map[string]int)
	for word := range strings.FieldsFuncSeq(d.Text, isNoLetter) {
		counts[strings.ToLower(word)]++
	}
	return counts, nil
}

func isNoLetter(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '\'' }

// top returns the n most frequent words; of equally frequent ones the first by alphabet.
func top(counts map[string]int, n int) []WordCount {
	words := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	list := make([]WordCount, 0, min(n, len(words)))
	for _, w := range words[:cap(list)] {
		list = append(list, WordCount{w, counts[w]})
	}
	return list
}
