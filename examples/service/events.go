package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/multinode/mn"
)

// events streams a job's progress as server-sent events. Each has the job as its data, and
// the number of its yield as its ID:
//
//	event: progress       at each change
//	event: end            the last one; the client should not reconnect
//
// A client that lost its connection sends the last ID it saw, as browsers do by
// themselves, and gets what it missed, as far as CountAll keeps yields. The stream ends
// early when the client goes, when the job is removed, or when the service stops.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	if _, err := s.jobs.Get(r.Context(), jobID(r)); err != nil {
		writeError(w, r, err) // while there can still be a status
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.streams, cancel)()
	var opts []mn.WatchOption
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		opts = append(opts, mn.FromYield(last+1))
	}
	out := newStream(w)
	infos, stop := receive(s.jobs.Watch(ctx, jobID(r), opts...))
	defer stop()
	defer cancel() // before stop, which waits for the watch
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case info, ok := <-infos:
			if !ok {
				return // ended, removed, or ctx is done
			}
			err = out.event(info)
		case <-beat.C:
			err = out.comment("heartbeat") // also finds out that the client is gone
		}
		if err != nil {
			return
		}
	}
}

// receive turns a watch into a channel, so that one can select between it and other
// things. The channel is closed after the watch's end. stop drops what is left of it and
// waits until the watch has ended, which its context must see to.
func receive(watch iter.Seq2[mn.JobInfo[Progress], error]) (infos <-chan mn.JobInfo[Progress], stop func()) {
	ch := make(chan mn.JobInfo[Progress])
	go func() {
		defer close(ch)
		for info, err := range watch {
			if err != nil {
				return
			}
			ch <- info
		}
	}()
	return ch, func() {
		for range ch {
		}
	}
}

// stream writes server-sent events.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// writeBound is how long a client may take to read an event.
const writeBound = 10 * time.Second

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // what is not to be buffered by a proxy on the way
	rc := http.NewResponseController(w)
	// The server's timeouts are for requests that end soon. Not every ResponseWriter has
	// deadlines: those of tests do not.
	_ = rc.SetReadDeadline(time.Time{})
	return &stream{w, rc}
}

func (s *stream) event(info mn.JobInfo[Progress]) error {
	name := "progress"
	if info.Status.Terminal() {
		name = "end"
	}
	data, err := json.Marshal(newJob(info)) // has no line breaks
	if err != nil {
		return err
	}
	return s.write("event: %s\nid: %d\ndata: %s\n\n", name, info.Yields, data)
}

func (s *stream) comment(text string) error { return s.write(": %s\n\n", text) }

func (s *stream) write(format string, args ...any) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeBound))
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	return s.rc.Flush()
}
