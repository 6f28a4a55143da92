package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// streamRoom is how many events wait for a slow reader before its stream is closed.
const streamRoom = 4096

// stream is an event stream, as the body of an answer.
type stream struct {
	c     *Cluster
	ctx   context.Context
	end   func()
	lines chan []byte
	rest  []byte
	over  *time.Timer
	cut   chan struct{}
}

var errStreamCut = errors.New("simulated network: the event stream broke")

func (c *Cluster) openStream(ctx context.Context, req *http.Request, end func()) *http.Response {
	s := &stream{c: c, ctx: ctx, end: end, lines: make(chan []byte, streamRoom), cut: make(chan struct{})}
	if c.Stream > 0 {
		s.over = time.AfterFunc(c.chance.after(c.Stream), func() { close(s.cut) })
	}
	c.mu.Lock()
	c.streams[s] = true
	c.mu.Unlock()
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Request: req, Body: s, ContentLength: -1}
}

// Read implements [io.Reader].
func (s *stream) Read(to []byte) (int, error) {
	if len(s.rest) == 0 {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return 0, io.ErrUnexpectedEOF
			}
			s.rest = line
		case <-s.cut:
			return 0, errStreamCut
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	n := copy(to, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (s *stream) Close() error {
	if s.over != nil {
		s.over.Stop()
	}
	s.c.mu.Lock()
	delete(s.c.streams, s)
	s.c.mu.Unlock()
	s.end()
	return nil
}

// tell sends an event to all streams; the caller holds mu.
func (c *Cluster) tell(topic string, payload any) {
	c.index++
	if len(c.streams) == 0 {
		return
	}
	text, err := json.Marshal(map[string]any{"Index": c.index, "Events": []any{
		map[string]any{"Topic": topic, "Index": c.index, "Payload": map[string]any{topic: payload}},
	}})
	if err != nil {
		panic(err)
	}
	text = append(text, '\n')
	for s := range c.streams {
		select {
		case s.lines <- text:
		default: // as Nomad does with readers that do not keep up
			delete(c.streams, s)
			close(s.lines)
		}
	}
}
