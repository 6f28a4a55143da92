package provisionertest

import (
	"fmt"
	"sync"

	"github.com/multinode/mn/provisioner"
)

func begins(p *play) {
	p.launchAndAwait("one")
	p.check("the worker has its ID, pool and resources", func() bool {
		return p.stage.workers["one"].worker == worker("one")
	})
	p.check("nothing is reported of a worker that lives", func() bool { return len(p.stage.exits) == 0 })
}

func livesWithOthers(p *play) {
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprintf("w%d", i))
	}
	p.launchAndAwait(ids...)
	p.check("all live", func() bool { return p.living() == len(ids) })
	for _, id := range ids {
		p.tell(id, orderEnd)
	}
}

func launchedTwice(p *play) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { p.launch("one") })
	}
	all.Wait()
	p.launchAndAwait("one")
	p.launch("one")
	p.launchAndAwait("another")
	p.close() // after which no further one can come
	p.check("it began once", func() bool { return p.began("one") == 1 })
}

func launchDoesNotBlock(p *play) {
	release := make(chan struct{})
	defer close(release)
	p.stage.update(func() { p.stage.exiting = release }) // the host is busy
	p.soon("Launch", func() {
		p.launch("one", "two", "three")
		if p.refused != nil {
			p.provisioner.Launch(provisioner.Worker{ID: "large", Pool: pool, Resources: *p.refused})
			p.launch("four")
		}
	})
	p.soon("Kill", func() { p.provisioner.Kill("one") })
}

func isRefused(p *play) {
	if p.refused == nil {
		p.Skip("this platform refuses nothing")
	}
	large := provisioner.Worker{ID: "large", Pool: pool, Resources: *p.refused}
	p.provisioner.Launch(large)
	p.until("its refusal is reported", func() bool { return len(p.exitsOf("large")) > 0 })
	p.check("as a refusal, with a note for the user, of the worker as it was launched", func() bool {
		e := p.exitsOf("large")[0]
		return e.exit.Refused && e.exit.Note != "" && e.worker == large
	})
	p.close()
	p.check("once, and it never began", func() bool {
		return len(p.exitsOf("large")) == 1 && p.began("large") == 0
	})
}

func refusedTakesNoRoom(p *play) {
	if p.refused == nil {
		p.Skip("this platform refuses nothing")
	}
	release := make(chan struct{})
	defer close(release)
	p.stage.update(func() { p.stage.exiting = release }) // the refusal is still being told
	p.soon("Launch", func() {
		p.provisioner.Launch(provisioner.Worker{ID: "large", Pool: pool, Resources: *p.refused})
	})
	p.launchAndAwait("small")
	p.check("the small one is not refused", func() bool { return len(p.exitsOf("small")) == 0 })
}

func secondOpen(p *play) {
	if err := p.provisioner.Open("another", p.stage); err == nil {
		p.Error("Open of a provisioner that is open: no error")
	}
	p.launchAndAwait("one") // for the first, as before
}
