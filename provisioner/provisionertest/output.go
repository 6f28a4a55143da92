package provisionertest

import (
	"fmt"
	"slices"
	"strings"
)

// printedBy are the lines that were handed over of a worker's output, for conditions of until:
// those printed for the job, "" for any, and to stdout alone, because the order between stdout and
// stderr is up to the platform.
func (p *play) printedBy(id, job string) (lines []string) {
	for _, o := range p.stage.outputs {
		if o.worker.ID != id || job != "" && o.output.Job != job {
			continue
		}
		for line := range strings.Lines(o.output.Text) {
			if text, ok := strings.CutSuffix(strings.TrimSpace(line), " to stdout"); ok {
				lines = append(lines, text)
			}
		}
	}
	return lines
}

// saw reports whether anything that was handed over of a worker's output holds the text.
func (p *play) saw(id, text string) bool {
	for _, o := range p.stage.outputs {
		if o.worker.ID == id && strings.Contains(o.output.Text, text) {
			return true
		}
	}
	return false
}

func (p *play) needOutput(live bool) {
	p.Helper()
	if !p.prints || live && !p.live {
		p.Skip("this platform does not hand over output so")
	}
}

func lastWords(p *play) {
	p.needOutput(false)
	p.launchAndAwait("one", "two")
	p.ask("one", "print it hurts")
	p.tell("one", orderFail)
	p.until("the failure is reported", func() bool { return len(p.exitsOf("one")) > 0 })
	p.check("what it printed to stdout and to stderr was handed over before", func() bool {
		for _, o := range p.stage.outputs {
			if o.exited {
				return false
			}
		}
		return p.saw("one", "it hurts to stdout\n") && p.saw("one", "it hurts to stderr\n")
	})
	p.check("of the worker as it was launched, and of no other", func() bool {
		for _, o := range p.stage.outputs {
			if o.worker != worker("one") {
				return false
			}
		}
		return true
	})
	p.tell("two", orderEnd)
}

func printsLive(p *play) {
	p.needOutput(true)
	p.launchAndAwait("one")
	p.ask("one", "execute job 1")
	for i := range 5 {
		p.ask("one", fmt.Sprint("print line ", i))
		p.until("the line is handed over", func() bool { return len(p.printedBy("one", "")) > i })
	}
	p.check("in order, with no line lost or twice", func() bool {
		return slices.Equal(p.printedBy("one", ""), []string{"line 0", "line 1", "line 2", "line 3", "line 4"})
	})
	p.check("it lives", func() bool { return p.living() == 1 })
	p.tell("one", orderEnd)
}

func printsByExecution(p *play) {
	p.needOutput(true)
	p.launchAndAwait("one")
	for i := range 3 {
		job := fmt.Sprint("job", i)
		p.ask("one", fmt.Sprintf("execute %s %d", job, i+1))
		p.ask("one", "print by "+job)
		p.until("the line is handed over for its job", func() bool { return len(p.printedBy("one", job)) == 1 })
	}
	p.check("with the attempt", func() bool {
		for _, o := range p.stage.outputs {
			if o.output.Job != fmt.Sprint("job", o.output.Attempt-1) {
				return false
			}
		}
		return slices.Equal(p.printedBy("one", "job1"), []string{"by job1"})
	})
	p.tell("one", orderEnd)
}

func printsEarly(p *play) {
	p.needOutput(true)
	p.launchAndAwait("one")
	p.ask("one", "print at the start")
	p.ask("one", "execute job 1")
	p.ask("one", "print at work")
	p.until("both lines are handed over for the job", func() bool {
		return slices.Equal(p.printedBy("one", "job"), []string{"at the start", "at work"})
	})
	p.tell("one", orderEnd)
}

func printsLast(p *play) {
	p.needOutput(true)
	p.launchAndAwait("one")
	p.ask("one", "execute job 1")
	p.ask("one", "print good bye")
	p.tell("one", orderEnd)
	p.close()
	p.check("what it printed is handed over", func() bool {
		return slices.Equal(p.printedBy("one", "job"), []string{"good bye"}) && p.saw("one", "good bye to stderr\n")
	})
}
