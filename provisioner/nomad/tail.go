package nomad

import (
	"context"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

const (
	// tailBytes and tailLines bound what of a dead worker's output is told in the text of its end.
	tailBytes = 1024
	tailLines = 8
	// savedBytes bounds what of it, stdout and stderr each, goes to the log of its run.
	savedBytes = 16 << 10
	// tailBound is how long the report of a worker's end waits for it.
	tailBound = 2 * time.Second
)

// saveOutput hands over the end of a dead worker's output, which Nomad keeps only for a while, and
// adds the end of its stderr, or else of its stdout, to a note. Where it cannot be read (the token
// lacks read-logs, the node is gone) the note says so or stays as it is.
func (p *Provisioner) saveOutput(k *worker, note, alloc string) string {
	ctx, cancel := context.WithTimeout(p.ctx, tailBound)
	defer cancel()
	stderr, err := p.output(ctx, alloc, "stderr")
	if isForbidden(err) {
		return note + " (its output is not shown: the token lacks read-logs)"
	}
	stdout, _ := p.output(ctx, alloc, "stdout")
	text := endLine(stdout) + endLine(stderr)
	if text != "" {
		p.host.Output(k.Worker, provisioner.Output{Text: p.clean(text), Tail: true})
	}
	for _, out := range []string{stderr, stdout} {
		if last := lastLines(out); last != "" {
			return note + ": " + last
		}
	}
	return note
}

// output reads the end of one of an allocation's logs, by way of the servers: clients may be
// out of this process's reach.
func (p *Provisioner) output(ctx context.Context, alloc, kind string) (string, error) {
	q := (&api.QueryOptions{Params: map[string]string{
		"task": taskName, "type": kind, "origin": "end", "offset": strconv.Itoa(savedBytes), "plain": "true", "follow": "false",
	}}).WithContext(ctx)
	body, err := p.client.Raw().Response("/v1/client/fs/logs/"+url.PathEscape(alloc), q)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 2*savedBytes))
	if len(text) >= savedBytes { // it begins somewhere in a line
		if _, rest, ok := strings.Cut(string(text), "\n"); ok {
			return rest, err
		}
	}
	return string(text), err
}

// endLine ends a text's last line.
func endLine(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

// lastLines cuts a text to its last lines, at most tailLines and tailBytes.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	text = strings.Join(lines, "\n")
	if excess := len(text) - tailBytes; excess > 0 {
		text = "…" + strings.ToValidUTF8(text[excess:], "")
	}
	return text
}
