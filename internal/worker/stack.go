package worker

import (
	"bytes"
	"fmt"
	"runtime"
)

// maxStacks bounds how much of all goroutines' stacks is searched.
const maxStacks = 1 << 20

// stack returns the stack of the goroutine that runs the attempt's handler, as far
// as it can be told from the others: by the attempt's address in its frames.
func (a *Attempt) stack() string {
	buf := make([]byte, maxStacks)
	buf = buf[:runtime.Stack(buf, true)]
	self := fmt.Appendf(nil, "(*Attempt).invoke(%p", a)
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		if bytes.Contains(g, self) {
			return string(g)
		}
	}
	return "not found"
}
