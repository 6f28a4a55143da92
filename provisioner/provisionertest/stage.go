package provisionertest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/multinode/mn/provisioner"
)

// Stage is where workers appear while a case runs. It is the provisioner's host.
type Stage struct {
	listener net.Listener
	remote   sync.WaitGroup // goroutines of the listener

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	workers map[string]*actor
	exits   []exit
	outputs []output
	closed  bool // Close has returned: nobody may call the host any more
	late    []string
	exiting chan struct{} // if not nil, Exited blocks until it is closed
}

// actor is a worker.
type actor struct {
	worker provisioner.Worker
	began  int // how often
	living int
	orders chan string // to the one that lives
}

type exit struct {
	worker provisioner.Worker
	exit   provisioner.Exit
}

// output is what was handed over of a worker's output. exited: its end had been reported.
type output struct {
	worker provisioner.Worker
	output provisioner.Output
	exited bool
}

// What an actor may be told. The last two are followed by a space and what is to be executed, or
// printed.
const (
	orderEnd     = "end"
	orderFail    = "fail"
	orderExecute = "execute"
	orderPrint   = "print"
)

var errFailed = errors.New("the worker failed as it was told")

func newStage() (*Stage, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Stage{listener: l, changed: make(chan struct{}), workers: make(map[string]*actor)}
	s.remote.Go(s.accept)
	return s, nil
}

// Addr is where workers in other processes report, for [Work].
func (s *Stage) Addr() string { return s.listener.Addr().String() }

// update changes the stage and tells those who wait for a change.
func (s *Stage) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// actor returns the worker of an ID, which may not have begun yet. The caller holds mu.
func (s *Stage) actor(id string) *actor {
	a := s.workers[id]
	if a == nil {
		a = &actor{orders: make(chan string, maxOrders)}
		s.workers[id] = a
	}
	return a
}

// maxOrders is how many orders a worker may be given.
const maxOrders = 16

// host notes a call that came when the host was not to be used any more. The caller
// holds mu.
func (s *Stage) host(method, id string) {
	if s.closed {
		s.late = append(s.late, fmt.Sprintf("%s(%q)", method, id))
	}
}

// enter begins a worker's life.
func (s *Stage) enter(id string, w provisioner.Worker) (a *actor) {
	s.update(func() {
		a = s.actor(id)
		a.worker = w
		a.began++
		a.living++
	})
	return a
}

func (s *Stage) leave(a *actor) { s.update(func() { a.living-- }) }

// Serve implements [provisioner.Host].
func (s *Stage) Serve(w provisioner.Worker) error {
	s.update(func() { s.host("Serve", w.ID) })
	a := s.enter(w.ID, w)
	defer s.leave(a)
	for order := range a.orders {
		switch order {
		case orderFail:
			return errFailed
		case orderEnd:
			return nil
		}
	}
	return nil
}

// Output implements [provisioner.Host].
func (s *Stage) Output(w provisioner.Worker, o provisioner.Output) {
	s.update(func() {
		s.host("Output", w.ID)
		exited := false
		for _, e := range s.exits {
			exited = exited || e.worker.ID == w.ID
		}
		s.outputs = append(s.outputs, output{w, o, exited})
	})
}

// Abandon implements [provisioner.Host]. A worker that has not begun ends as soon as it
// does.
func (s *Stage) Abandon(id string) {
	s.update(func() {
		s.host("Abandon", id)
		if a := s.actor(id); a.began == 0 || a.living > 0 {
			a.order(orderEnd)
		}
	})
}

// order tells a worker something, unless it has been told already.
func (a *actor) order(what string) {
	select {
	case a.orders <- what:
	default:
	}
}

// Exited implements [provisioner.Host].
func (s *Stage) Exited(w provisioner.Worker, e provisioner.Exit) {
	var wait chan struct{}
	s.update(func() {
		s.host("Exited", w.ID)
		s.exits = append(s.exits, exit{w, e})
		wait = s.exiting
	})
	if wait != nil {
		<-wait
	}
}

// accept lets workers of other processes in.
func (s *Stage) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.remote.Go(func() { s.direct(conn) })
	}
}

// direct is a worker's life in another process, seen from here: it ends with its
// connection.
func (s *Stage) direct(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return
	}
	id := lines.Text()
	a := s.enter(id, provisioner.Worker{ID: id, Pool: pool, Resources: small})
	gone := make(chan struct{})
	s.remote.Go(func() {
		defer close(gone)
		for lines.Scan() { // what a guest hands over inside the worker
			var o provisioner.Output
			if json.Unmarshal(lines.Bytes(), &o) == nil {
				s.Output(a.worker, o)
			}
		}
	})
	for living := true; living; {
		select {
		case what := <-a.orders:
			fmt.Fprintln(conn, what)
		case <-gone:
			living = false
		}
	}
	s.leave(a)
}

// Work is the life of a worker in a process of its own: it reports to the stage at
// addr and does what it is told. If it returns an error, or not at all, the process
// must end with a failure; either way it must end at once. launcher is a provisioner like the one that has launched the worker,
// or nil: if it is a [provisioner.Guest] it acts as such.
func Work(addr, id string, launcher provisioner.Provisioner) error {
	conn, err := net.Dial("tcp", addr) // closed by the process's end, by which the stage knows of it
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(conn, id); err != nil {
		return err
	}
	guest, _ := launcher.(provisioner.Guest)
	if guest != nil {
		report := json.NewEncoder(conn)
		guest.Enter(worker(id), func(o provisioner.Output) { _ = report.Encode(o) }) // the stage may be gone
		defer guest.Leave()
	}
	orders := bufio.NewScanner(conn)
	for orders.Scan() {
		order, what, _ := strings.Cut(orders.Text(), " ")
		switch order {
		case orderEnd:
			return nil
		case orderFail:
			return errFailed
		case orderExecute:
			job, attempt, _ := strings.Cut(what, " ")
			n, _ := strconv.Atoi(attempt)
			if guest != nil {
				guest.Execute(provisioner.Execution{Job: job, Attempt: n})
			}
		case orderPrint:
			fmt.Fprintln(os.Stdout, what+" to stdout")
			fmt.Fprintln(os.Stderr, what+" to stderr")
		}
	}
	return errors.Join(orders.Err(), io.ErrUnexpectedEOF)
}
