package worker

import (
	"context"
	"time"

	"github.com/multinode/mn/backend"
)

// DrainJobs claims no more jobs and waits for those that run, or until ctx is done.
// Jobs are drained before functions because they may need functions to finish.
func (p *Process) DrainJobs(ctx context.Context) error {
	p.mu.Lock()
	p.draining = true
	p.mu.Unlock()
	return p.await(ctx, &p.jobsEnded, func() bool { return !p.hasWorkers(backend.Job) })
}

// DrainCalls waits for the attempts that are under way now, or until ctx is done. Claims
// go on meanwhile, because these attempts may call functions.
func (p *Process) DrainCalls(ctx context.Context) error {
	for _, a := range p.running() {
		select {
		case <-a.Cleanup().Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Drain claims nothing more and waits for what runs. When ctx is done, or err is that
// of a DrainJobs or DrainCalls that gave up, what still runs is told to stop and handed back
// uncharged; handlers that do not return within DrainGrace are abandoned. It returns
// the error if it came to that.
func (p *Process) Drain(ctx context.Context, err error) error {
	defer p.stopRepeat() // the session's end gives up what could not be settled
	p.mu.Lock()
	p.stopServe()
	p.mu.Unlock()
	if err == nil {
		err = p.await(ctx, &p.allEnded, func() bool { return len(p.workers) == 0 })
	}
	if err == nil {
		return nil
	}
	p.stopRunning()
	// The attempts' own grace ends first; this is for those stopped earlier with a
	// longer one.
	bounded, cancel := context.WithTimeout(context.Background(), p.DrainGrace+time.Second)
	defer cancel()
	if p.await(bounded, &p.allEnded, func() bool { return len(p.workers) == 0 }) != nil {
		p.stopRepeat()
		for _, a := range p.running() {
			a.abandon()
		}
	}
	return err
}

// stopRunning tells all attempts to stop: those first that have not begun, because when the
// one before them obeys they would.
func (p *Process) stopRunning() {
	var begun []*Attempt
	for _, a := range p.running() {
		if !a.isWaiting() {
			begun = append(begun, a)
			continue
		}
		a.stop(p.Causes.Draining)
	}
	for _, a := range begun {
		a.stop(p.Causes.Draining)
	}
}

// await waits until ended holds; it is told by closing *signal.
func (p *Process) await(ctx context.Context, signal *chan struct{}, ended func() bool) error {
	p.mu.Lock()
	if ended() {
		p.mu.Unlock()
		return nil
	}
	done := *signal
	if done == nil {
		done = make(chan struct{})
		*signal = done
	}
	p.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
