// Package doctor checks the servers that mn works with against docs/operations.md and
// docs/nomad.md, and says what to change.
package doctor

import (
	"context"
	"fmt"
)

// Level is how a check came out.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Note    Level = "note"    // worth knowing
	Warn    Level = "warn"    // something can be lost, or will not work under load
	Fail    Level = "fail"    // mn does not work, or loses what is stored
	Skipped Level = "skipped" // it could not be found out
)

// Result is what one check has found.
type Result struct {
	Check  string `json:"check"` // its name, such as redis-eviction
	Level  Level  `json:"level"`
	Found  string `json:"found"`            // what is there
	Remedy string `json:"remedy,omitempty"` // what to do about it
}

// Check is one thing that is looked at.
type Check[Subject any] struct {
	Name  string
	About string // what it looks at
	Run   func(ctx context.Context, s *Subject) Result
}

// run executes checks one after another and hands on each result.
func run[Subject any](ctx context.Context, s *Subject, checks []Check[Subject], report func(Result)) {
	for _, c := range checks {
		if ctx.Err() != nil {
			return
		}
		r := c.Run(ctx, s)
		r.Check = c.Name
		report(r)
	}
}

func ok(format string, args ...any) Result {
	return Result{Level: OK, Found: fmt.Sprintf(format, args...)}
}

func skipped(err error) Result { return Result{Level: Skipped, Found: err.Error()} }

// found is a result that needs a remedy.
func found(level Level, remedy, format string, args ...any) Result {
	return Result{Level: level, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}
