package main

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// callers is how many goroutines do work at a time where throughput is measured.
const callers = 16

// options is the command line.
type options struct {
	only     *regexp.Regexp
	rounds   int
	seconds  float64
	batch    int
	limit    time.Duration
	durable  bool
	json     bool
	strict   bool
	settings bool
}

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{only: regexp.MustCompile("")}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Func("only", "take only the rows whose name matches this `regexp`; the floor is always taken", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	f.IntVar(&o.rounds, "rounds", 3, "how often every row is taken, in turns; the medians count")
	f.Float64Var(&o.seconds, "seconds", 0.8, "how long one measure of one row takes in one round")
	f.IntVar(&o.batch, "batch", 1000, "how many pieces of work a batch has")
	f.DurationVar(&o.limit, "limit", 5*time.Minute, "give up after this time")
	f.BoolVar(&o.durable, "durable", false, "let the servers write through to the disk at every commit")
	f.BoolVar(&o.json, "json", false, "print one JSON object a row instead of the table")
	f.BoolVar(&o.strict, "strict", false, "exit with status 1 if a goal is missed")
	f.BoolVar(&o.settings, "settings", false, "print what each row does and its settings, and measure nothing")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	return o, o.check()
}

func (o *options) check() error {
	switch {
	case o.rounds < 1 || o.rounds > 100:
		return fmt.Errorf("-rounds %d must be from 1 to 100", o.rounds)
	case !(o.seconds > 0) || o.seconds > 60:
		return fmt.Errorf("-seconds %g must be above 0 and at most 60", o.seconds)
	case o.batch < 1 || o.batch > 100_000:
		return fmt.Errorf("-batch %d must be from 1 to 100000", o.batch)
	case o.limit <= 0:
		return fmt.Errorf("-limit %s must be above 0", o.limit)
	}
	return nil
}

// window is how long one measure of one row takes in one round.
func (o *options) window() time.Duration { return time.Duration(o.seconds * float64(time.Second)) }

// choose returns the drivers that -only asks for, and the floor.
func (o *options) choose(all []*driver) []*driver {
	return slices.DeleteFunc(slices.Clone(all), func(d *driver) bool {
		return d.name != floorName && !o.only.MatchString(d.name)
	})
}
