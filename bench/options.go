package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// options is the command line.
type options struct {
	driver     driver
	json       bool
	strict     bool
	only       *regexp.Regexp
	seconds    float64
	stored     int
	workers    int
	cpuProfile string
	memProfile string
}

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{only: regexp.MustCompile("")}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	names := slices.Sorted(maps.Keys(drivers))
	backend := f.String("backend", "memory", "the backend to measure: "+strings.Join(names, ", "))
	f.BoolVar(&o.json, "json", false, "print one JSON object a line instead of a table")
	f.BoolVar(&o.strict, "strict", false, "exit with status 1 if a target is missed")
	f.Func("only", "take only the measures whose name matches this `regexp`", func(s string) (err error) {
		o.only, err = regexp.Compile(s)
		return err
	})
	f.Float64Var(&o.seconds, "seconds", 3, "how long one measure takes at most, its floor included")
	f.IntVar(&o.stored, "stored", 1_000_000, "how many finished jobs are stored for the measures with stored jobs")
	f.IntVar(&o.workers, "workers", 1000, "how many workers there are in the measures that count them")
	f.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile to this `file`")
	f.StringVar(&o.memProfile, "memprofile", "", "write a profile of all allocations to this `file`")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	var known bool
	if o.driver, known = drivers[*backend]; !known {
		return nil, fmt.Errorf("unknown -backend %q: there are %s", *backend, strings.Join(names, ", "))
	}
	return o, o.check()
}

func (o *options) check() error {
	if !(o.seconds > 0) || o.seconds > 3600 {
		return fmt.Errorf("-seconds %g must be above 0 and at most 3600", o.seconds)
	}
	if o.stored < pageSize {
		return fmt.Errorf("-stored %d must be at least %d, or no page is full", o.stored, pageSize)
	}
	if o.workers < 3*fleetSample {
		return fmt.Errorf("-workers %d must be at least %d, so that some may leave", o.workers, 3*fleetSample)
	}
	return nil
}

// window is how long one side of a measure runs in one round.
func (o *options) window() time.Duration {
	return time.Duration(o.seconds * float64(time.Second) / (2 * rounds))
}

// choose returns the measures that -only asks for.
func (o *options) choose(all []measure) []measure {
	return slices.DeleteFunc(all, func(m measure) bool { return !o.only.MatchString(m.name) })
}
