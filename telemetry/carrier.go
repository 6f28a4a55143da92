package telemetry

import (
	"strings"

	"github.com/multinode/mn"
)

// carrier is what travels with a task: lines of key=value. It is a
// propagation.TextMapCarrier.
type carrier struct{ text string }

// Set implements propagation.TextMapCarrier. What does not fit is left out.
func (c *carrier) Set(key, value string) {
	if key == "" || strings.ContainsAny(key, "=\n") || strings.Contains(value, "\n") {
		return // not a header's field
	}
	if len(c.text)+len(key)+len(value)+len("\n=") > mn.MaxTrace {
		return
	}
	if c.text != "" {
		c.text += "\n"
	}
	c.text += key + "=" + value
}

// Get implements propagation.TextMapCarrier.
func (c *carrier) Get(key string) string {
	for line := range strings.SplitSeq(c.text, "\n") {
		if k, value, ok := strings.Cut(line, "="); ok && k == key {
			return value
		}
	}
	return ""
}

// Keys implements propagation.TextMapCarrier.
func (c *carrier) Keys() []string {
	var keys []string
	for line := range strings.SplitSeq(c.text, "\n") {
		if key, _, ok := strings.Cut(line, "="); ok {
			keys = append(keys, key)
		}
	}
	return keys
}
