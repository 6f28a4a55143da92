package provisionertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/multinode/mn/provisioner"
)

// play is one case under way.
type play struct {
	*testing.T
	*suite
	stage       *Stage
	provisioner provisioner.Provisioner
}

// run opens a provisioner for one case, and afterwards closes it and looks whether
// anything is left.
func (s *suite) run(t *testing.T, test func(*play)) {
	stage, err := newStage()
	if err != nil {
		t.Fatal(err)
	}
	p := &play{T: t, suite: s, stage: stage, provisioner: s.open(t, stage)}
	if err := p.provisioner.Open("provisionertest", stage); err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer func() {
		p.close()
		_ = stage.listener.Close()
		stage.remote.Wait()
		if len(stage.late) > 0 {
			t.Errorf("the host was used after Close had returned: %q", stage.late)
		}
	}()
	test(p)
}

// close closes the provisioner, which must end and wait for its workers.
func (p *play) close() {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	if err := p.provisioner.Close(ctx); err != nil {
		p.Errorf("Close: %v", err)
	}
	// A process that is gone shows here a moment later, when its connection breaks.
	p.until("no worker is left after Close", func() bool { return p.living() == 0 })
	p.stage.update(func() { p.stage.closed = true })
}

func worker(id string) provisioner.Worker {
	return provisioner.Worker{ID: id, Pool: pool, Resources: small}
}

// launch launches workers with small needs.
func (p *play) launch(ids ...string) {
	for _, id := range ids {
		p.provisioner.Launch(worker(id))
	}
}

// launchAndAwait launches workers and waits for their lives' begin.
func (p *play) launchAndAwait(ids ...string) {
	p.Helper()
	p.launch(ids...)
	for _, id := range ids {
		p.until(fmt.Sprintf("worker %q has begun", id), func() bool { return p.began(id) > 0 })
	}
}

// tell has a worker end or fail, and waits for that.
func (p *play) tell(id, order string) {
	p.Helper()
	p.stage.update(func() { p.stage.actor(id).order(order) })
	p.gone(id)
}

// ask has a worker do something and does not wait.
func (p *play) ask(id, order string) {
	p.stage.update(func() { p.stage.actor(id).order(order) })
}

// gone waits until a worker is.
func (p *play) gone(id string) {
	p.Helper()
	p.until(fmt.Sprintf("worker %q is gone", id), func() bool {
		a := p.stage.workers[id]
		return a != nil && a.living == 0
	})
}

// began and living are for conditions of until.
func (p *play) began(id string) int {
	if a := p.stage.workers[id]; a != nil {
		return a.began
	}
	return 0
}

func (p *play) living() (n int) {
	for _, a := range p.stage.workers {
		n += a.living
	}
	return n
}

// exitsOf is likewise.
func (p *play) exitsOf(id string) (es []exit) {
	for _, e := range p.stage.exits {
		if e.worker.ID == id {
			es = append(es, e)
		}
	}
	return es
}

// until waits for a state of the stage and fails the case if it does not come.
func (p *play) until(what string, holds func() bool) {
	p.Helper()
	patience := time.NewTimer(p.patience)
	defer patience.Stop()
	for {
		p.stage.mu.Lock()
		ok, changed := holds(), p.stage.changed
		p.stage.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-patience.C:
			p.Fatalf("not within %s: %s", p.patience, what)
		}
	}
}

// check looks at the stage as it is now.
func (p *play) check(what string, holds func() bool) {
	p.Helper()
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	if !holds() {
		p.Errorf("does not hold: %s", what)
	}
}

// stays looks whether something goes on holding for as long as a platform that breaks
// the rule may need to show it: a twentieth of the patience.
func (p *play) stays(what string, holds func() bool) {
	p.Helper()
	quiet := time.NewTimer(p.patience / 20)
	defer quiet.Stop()
	for {
		p.stage.mu.Lock()
		ok, changed := holds(), p.stage.changed
		p.stage.mu.Unlock()
		if !ok {
			p.Fatalf("does not hold any more: %s", what)
		}
		select {
		case <-changed:
		case <-quiet.C:
			return
		}
	}
}

// soon fails the case if f does not return.
func (p *play) soon(what string, f func()) {
	p.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	patience := time.NewTimer(p.patience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		p.Fatalf("%s has not returned within %s", what, p.patience)
	}
}
