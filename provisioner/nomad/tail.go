package nomad

import (
	"context"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// tailBytes and tailLines bound what of a dead worker's output is told to the user.
	tailBytes = 1024
	tailLines = 8
	// tailBound is how long the report of a worker's end waits for it.
	tailBound = 2 * time.Second
)

// withOutput adds the end of a dead worker's stderr, or else of its stdout, to a note. Where it cannot
// be read (the token lacks read-logs, the node is gone) the note says so or stays as it is.
func (p *Provisioner) withOutput(note, alloc string) string {
	ctx, cancel := context.WithTimeout(p.ctx, tailBound)
	defer cancel()
	for _, kind := range []string{"stderr", "stdout"} {
		out, err := p.output(ctx, alloc, kind)
		if isForbidden(err) {
			return note + " (its output is not shown: the token lacks read-logs)"
		}
		if out != "" {
			return note + ": " + out
		}
	}
	return note
}

// output reads the end of one of an allocation's logs, by way of the servers: clients may be
// out of this process's reach.
func (p *Provisioner) output(ctx context.Context, alloc, kind string) (string, error) {
	q := (&api.QueryOptions{Params: map[string]string{
		"task": taskName, "type": kind, "origin": "end", "offset": "2048", "plain": "true", "follow": "false",
	}}).WithContext(ctx)
	body, err := p.client.Raw().Response("/v1/client/fs/logs/"+url.PathEscape(alloc), q)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 4096))
	return lastLines(string(text)), err
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
