package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/multinode/mn"
)

// display shows an import on its way: each state it is given, the terminal one last.
type display interface{ show(mn.JobInfo[Checkpoint]) }

// newDisplay returns a bar for a terminal, and plain lines for files and pipes.
func newDisplay(out io.Writer, rows int, terminal bool) display {
	if !terminal {
		return &lines{out: out}
	}
	return &bar{out: out, bar: progressbar.NewOptions(rows,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("importing"),
		progressbar.OptionSetWidth(30), progressbar.OptionShowCount())}
}

// bar is one line that is drawn anew. Whether a terminal can be written to is not its
// business, nor does the import depend on it: its errors are dropped.
type bar struct {
	out  io.Writer
	bar  *progressbar.ProgressBar
	news news
}

func (b *bar) show(info mn.JobInfo[Checkpoint]) {
	for _, line := range b.news.of(info) {
		_ = b.bar.Clear()
		fmt.Fprintln(b.out, line)
	}
	p := info.Result.Progress
	if p.Rate > 0 {
		b.bar.Describe(fmt.Sprintf("importing, %.0f %s/s, %s left", p.Rate, p.Unit, p.Remaining.Round(time.Second)))
	}
	_ = b.bar.Set64(p.Done)
	if info.Status.Terminal() {
		b.bar.Describe(string(info.Status))
		_ = b.bar.Exit() // leaves the bar as it is
		fmt.Fprintf(b.out, "\n%s\n", ending(info))
	}
}

// lines prints a line for every tenth of the way.
type lines struct {
	out    io.Writer
	tenths int // already printed
	news   news
}

func (l *lines) show(info mn.JobInfo[Checkpoint]) {
	for _, line := range l.news.of(info) {
		fmt.Fprintln(l.out, line)
	}
	p := info.Result.Progress
	if tenths := int(p.Fraction() * 10); tenths > l.tenths {
		l.tenths = tenths
		fmt.Fprintf(l.out, "%3d%%  %d/%d %s\n", tenths*10, p.Done, p.Total, p.Unit)
	}
	if info.Status.Terminal() {
		fmt.Fprintln(l.out, ending(info))
	}
}

// news finds what is worth a line of its own, and says it once.
type news struct{ failed, resumed int } // the newest attempts told of

func (n *news) of(info mn.JobInfo[Checkpoint]) (told []string) {
	if e := info.Error; e != nil && info.Status == mn.Pending && info.Attempt > n.failed {
		n.failed = info.Attempt
		told = append(told, fmt.Sprintf("attempt %d failed: %s", info.Attempt, e.Message))
	}
	if c := info.Result; c.Attempt > max(1, n.resumed) {
		n.resumed = c.Attempt
		told = append(told, fmt.Sprintf("attempt %d resumed from row %d", c.Attempt, c.From))
	}
	return told
}

// ending is the last line.
func ending(info mn.JobInfo[Checkpoint]) string {
	switch c := info.Result; info.Status {
	case mn.Succeeded:
		return fmt.Sprintf("%s: %d rows, %d bytes, CRC-32 %08x", info.Status, c.Rows, c.Bytes, c.CRC)
	case mn.Cancelled:
		return fmt.Sprintf("%s after %d rows; the unfinished file was removed", info.Status, c.Rows)
	default: // main prints the error
		return fmt.Sprintf("%s after %d rows", info.Status, c.Rows)
	}
}
