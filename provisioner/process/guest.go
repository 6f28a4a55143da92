package process

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/multinode/mn/provisioner"
)

// marks is how a worker process tells its parent what it executes.
type marks struct {
	mu    sync.Mutex
	pipe  *os.File
	token string
}

// Enter implements [provisioner.Guest]. What the process prints is read by its parent.
func (p *Provisioner) Enter(provisioner.Worker, func(provisioner.Output)) {
	var file uintptr
	var token string
	n, _ := fmt.Sscanf(os.Getenv(outputVariable), "%d %s", &file, &token)
	_ = os.Unsetenv(outputVariable) // not for what this process starts
	if n < 2 {
		return // it was launched in a way of the user's
	}
	syscall.CloseOnExec(int(file))
	p.marks.mu.Lock()
	defer p.marks.mu.Unlock()
	p.marks.pipe, p.marks.token = os.NewFile(file, "marks"), token
}

// Execute implements [provisioner.Guest].
func (p *Provisioner) Execute(e provisioner.Execution) {
	p.marks.mu.Lock()
	defer p.marks.mu.Unlock()
	if p.marks.pipe == nil || strings.ContainsAny(e.Job, " \n") {
		return
	}
	// One write of less than PIPE_BUF bytes is not mixed with others. If the parent is gone
	// nobody reads it.
	_, _ = fmt.Fprintf(p.marks.pipe, "\x00mn %s %s %d\n", p.marks.token, e.Job, e.Attempt)
}

// Leave implements [provisioner.Guest].
func (p *Provisioner) Leave() {
	p.marks.mu.Lock()
	defer p.marks.mu.Unlock()
	if p.marks.pipe != nil {
		_ = p.marks.pipe.Close()
		p.marks.pipe = nil
	}
}
