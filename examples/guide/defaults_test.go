package guide

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// The tables of settings say the defaults that the code has.
func TestTablesSayTheDefaults(t *testing.T) {
	common := map[string]string{
		"CPU": fmt.Sprint(mn.DefaultCPU), "Memory": mn.DefaultMemory.String(), "CancellationGrace": span(mn.DefaultGrace),
	}
	pages := map[string]map[string]string{
		"docs/jobs.md": {
			"Timeout": span(mn.DefaultJobTimeout), "MaxConcurrency": fmt.Sprint(mn.DefaultMaxConcurrency),
			"RunLog.Lines": fmt.Sprint(mn.DefaultLogLines), "RunLog.Size": mn.DefaultLogSize.String(), "RunLog.Calls": fmt.Sprint(mn.DefaultLogCalls),
		},
		"docs/functions.md": {
			"Timeout": span(mn.DefaultTimeout), "MaxWorkers": fmt.Sprint(mn.DefaultMaxWorkers), "Cooldown": span(mn.DefaultCooldown),
			"MaxInFlight": fmt.Sprint(mn.DefaultMaxInFlight),
		},
		"docs/operations.md": {
			"Lease": span(mn.DefaultTiming.Lease), "Heartbeat": span(mn.DefaultTiming.Heartbeat), "Margin": span(mn.DefaultTiming.Margin),
			"Sweep": span(mn.DefaultTiming.Sweep), "Start": span(mn.DefaultTiming.Start), "Drain": span(mn.DefaultTiming.Drain),
		},
	}
	for page, defaults := range pages {
		if page != "docs/operations.md" {
			for name, value := range common {
				defaults[name] = value
			}
		}
		text := read(t, page)
		for name, value := range defaults {
			require.Equal(t, value, cell(text, name), "the default of %s in a table of %s", name, page)
		}
	}
}

// cell is the default in the row of a setting: its second cell.
func cell(page, name string) string {
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		first, _, _ := strings.Cut(strings.Trim(cells[min(1, len(cells)-1)], " []`"), "`")
		if len(cells) > 3 && first == name {
			return strings.TrimSpace(cells[2])
		}
	}
	return ""
}

func span(d time.Duration) string {
	if d >= 2*time.Minute {
		return fmt.Sprintf("%g min", d.Minutes())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
