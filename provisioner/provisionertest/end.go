package provisionertest

import (
	"context"
	"fmt"
	"sync"
)

func endsByItself(p *play) {
	p.launchAndAwait("one")
	p.tell("one", orderEnd)
	p.close()
	p.check("nothing is reported", func() bool { return len(p.stage.exits) == 0 })
}

func fails(p *play) {
	p.launchAndAwait("one", "two")
	p.tell("one", orderFail)
	p.until("the failure is reported", func() bool { return len(p.exitsOf("one")) > 0 })
	p.check("with a note for the user, of the worker as it was launched", func() bool {
		e := p.exitsOf("one")[0]
		return e.exit.Note != "" && e.worker == worker("one")
	})
	p.check("of the other nothing", func() bool { return p.living() == 1 && len(p.exitsOf("two")) == 0 })
	p.tell("two", orderEnd)
	p.close()
	p.check("once", func() bool { return len(p.exitsOf("one")) == 1 })
}

func kill(p *play) {
	p.launchAndAwait("one", "two")
	p.provisioner.Kill("one")
	p.gone("one")
	p.provisioner.Kill("one") // again
	p.check("the other lives", func() bool { return p.living() == 1 && len(p.exitsOf("two")) == 0 })
	p.tell("two", orderEnd)
	p.close()
	// Whether a worker that somebody killed is reported as well is up to the platform.
	p.check("it is reported at most once", func() bool { return len(p.exitsOf("one")) <= 1 })
}

func killEarly(p *play) {
	for i := range 20 {
		id := fmt.Sprintf("w%d", i)
		p.launch(id)
		p.provisioner.Kill(id)
	}
	p.launchAndAwait("last") // Close ends those that began after their Kill
}

func killNobody(p *play) {
	p.launchAndAwait("ended", "one")
	p.tell("ended", orderEnd)
	p.provisioner.Kill("ended")
	p.provisioner.Kill("unknown")
	p.provisioner.Kill("")
	p.launchAndAwait("two")
	p.check("the others live, and nothing is reported", func() bool {
		return p.living() == 2 && len(p.stage.exits) == 0
	})
}

func closeEmpty(p *play) { p.close() }

func closeEndsWorkers(p *play) {
	p.launchAndAwait("one", "two", "three")
	p.tell("two", orderEnd)
	p.close() // fails if one is left
}

func closeWaitsForReports(p *play) {
	exiting := make(chan struct{})
	release := sync.OnceFunc(func() { close(exiting) })
	defer release()
	p.launchAndAwait("one")
	p.stage.update(func() { p.stage.exiting = exiting }) // the host takes its time
	p.tell("one", orderFail)
	p.until("the failure is being reported", func() bool { return len(p.exitsOf("one")) > 0 })
	closed := false
	var all sync.WaitGroup
	all.Go(func() {
		p.close()
		p.stage.update(func() { closed = true })
	})
	p.stays("close waits", func() bool { return !closed })
	release()
	all.Wait()
}

func closeTwice(p *play) {
	p.launchAndAwait("one")
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), p.patience)
			defer cancel()
			if err := p.provisioner.Close(ctx); err != nil {
				p.Errorf("Close: %v", err)
			}
		})
	}
	all.Wait()
	p.close()
}

func closeIsTheEnd(p *play) {
	p.launchAndAwait("one")
	p.close()
	p.launch("late")
	p.launch("one")
	p.provisioner.Kill("one")
	p.stays("nobody comes", func() bool { return p.began("late") == 0 && p.began("one") == 1 })
	p.check("nothing is reported", func() bool { return len(p.exitsOf("late")) == 0 })
}

func closeRaces(p *play) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 10 {
				p.launch(fmt.Sprintf("w%d.%d", i, n))
			}
		})
	}
	p.close()
	all.Wait()
	p.close() // what came after the first would show as a late use of the host
}
