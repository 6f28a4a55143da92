package history_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/history"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
	"github.com/multinode/mn/provisioner/process"
)

// The test binary is also every process of a run.
func TestMain(m *testing.M) {
	if os.Getenv(roleVar) != "" {
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// What the proxy had in hand when a connection was reset is left behind.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
	)
}

// A process is told by its environment what it is to do.
const (
	roleVar    = "MN_HISTORY_ROLE"
	dirVar     = "MN_HISTORY_DIR"     // for its records
	urlVar     = "MN_HISTORY_URL"     // of the backend
	workersVar = "MN_HISTORY_WORKERS" // URL for the worker processes that it launches
	seedVar    = "MN_HISTORY_SCHEDULE"
	untilVar   = "MN_HISTORY_UNTIL" // clients stop then, and everyone soon after, come what may
)

// The roles.
const (
	roleClient = "client" // starts, reads, cancels, calls
	roleHost   = "host"   // executes in worker processes
	roleNode   = "node"   // executes in itself
)

// afterlife is how long a process may outlive the end of the clients' work.
const afterlife = 45 * time.Second

const (
	clientProcesses = 2
	clientThreads   = 3 // in each
)

func newSchedule(seed uint64, begin int64) *schedule {
	s := &schedule{seed: seed, begin: begin, owners: []string{everyone}}
	for p := range clientProcesses {
		for n := range clientThreads {
			s.owners = append(s.owners, ownerName(p, n))
		}
	}
	return s
}

func ownerName(process, n int) string { return fmt.Sprintf("client%d.%d", process, n) }

// encode writes the schedule for the environment.
func (s *schedule) encode() string { return fmt.Sprintf("%d:%d", s.seed, s.begin) }

func decodeSchedule(text string) (*schedule, error) {
	seed, begin, _ := strings.Cut(text, ":")
	a, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return nil, err
	}
	b, err := strconv.ParseInt(begin, 10, 64)
	return newSchedule(a, b), err
}

// play is the main of a process.
func play() error {
	until, err := strconv.ParseInt(os.Getenv(untilVar), 10, 64)
	if err != nil {
		return err
	}
	// Nothing outlives the run, even if whoever started this is gone.
	time.AfterFunc(time.Duration(until-history.Now())+afterlife, func() { os.Exit(3) })
	s, err := decodeSchedule(os.Getenv(seedVar))
	if err != nil {
		return err
	}
	role, number, _ := strings.Cut(os.Getenv(roleVar), " ")
	name := fmt.Sprintf("%s%s-%d", role, number, os.Getpid())
	if os.Getenv(provisioner.WorkerVariable) != "" {
		name = fmt.Sprintf("worker-%d", os.Getpid())
	}
	rec, err := history.NewRecorder(os.Getenv(dirVar), name)
	if err != nil {
		return err
	}
	defer func() { _ = rec.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g := newProgram(rec, new(pulse))
	go g.pulse.run(ctx)
	app, b, err := join(ctx, g, role)
	if err != nil {
		return err
	}
	err = app.Run(ctx, func(ctx context.Context) error {
		if role != roleClient {
			<-ctx.Done()
			return nil
		}
		p, _ := strconv.Atoi(number)
		runClients(ctx, g, s, app, p, until)
		return nil
	})
	_ = b.Close()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // handed back what it could not finish
	}
	return err
}

func runClients(ctx context.Context, g *program, s *schedule, app *mn.App, process int, until int64) {
	var clients sync.WaitGroup
	for n := range clientThreads {
		clients.Go(func() { newClient(g, s, app, ownerName(process, n)).run(ctx, until) })
	}
	clients.Wait()
}

// join opens the backend, through whatever lies between, until it answers.
func join(ctx context.Context, g *program, role string) (*mn.App, *redis.Backend, error) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("MN_HISTORY_VERBOSE") != "" {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	cfg := mn.Config{Name: "history", Definitions: g.definitions(), Logger: logger, Timing: timing}
	switch role {
	case roleClient:
		cfg.Provisioner = provisioner.None
	case roleHost:
		cfg.Provisioner = process.New(process.Env(urlVar + "=" + os.Getenv(workersVar)))
	case roleNode:
		cfg.Provisioner = local.New()
	}
	for end := time.Now().Add(20 * time.Second); ; {
		b, err := redis.Open(ctx, os.Getenv(urlVar), redis.Options{Logger: logger})
		if err == nil {
			cfg.Backend = b
			if role == roleClient {
				cfg.Backend = tapped{backend.Backend(b), g.rec}
			}
			var app *mn.App
			if app, err = mn.New(cfg); err == nil {
				return app, b, nil
			}
			_ = b.Close()
		}
		if time.Now().After(end) {
			return nil, nil, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
