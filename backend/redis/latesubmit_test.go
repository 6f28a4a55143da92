package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
)

// held has the submission of one call wait, as on a slow line, and tells when the store
// looks for the result of another.
type held struct {
	arrived chan struct{} // closed when the submission is held
	release chan struct{}
	looking atomic.Bool // from now on looks are of interest
	looked  chan struct{}
	submit  sync.Once
	look    sync.Once
}

// hold looks at a command before it is sent.
func (h *held) hold(cmd goredis.Cmder) {
	if mentions(cmd, func(arg string) bool { return strings.Contains(arg, "held up") }) {
		h.submit.Do(func() { close(h.arrived) })
		<-h.release
	}
}

// done looks at a command that was answered: the other call is its process's first.
func (h *held) done(cmd goredis.Cmder) {
	if h.looking.Load() && mentions(cmd, func(arg string) bool { return strings.HasSuffix(arg, ".1") }) {
		h.look.Do(func() { close(h.looked) })
	}
}

func mentions(cmd goredis.Cmder, is func(string) bool) bool {
	return slices.ContainsFunc(cmd.Args(), func(a any) bool { return is(fmt.Sprintf("%s", a)) })
}

func (h *held) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *held) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		h.hold(cmd)
		defer h.done(cmd)
		return next(ctx, cmd)
	}
}

func (h *held) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		for _, cmd := range cmds {
			h.hold(cmd)
			defer h.done(cmd)
		}
		return next(ctx, cmds)
	}
}

// After a broken connection the results of all calls are looked for. One whose submission
// is still on its way has no record yet, which does not mean that it was lost.
func TestACallOnItsWayIsNotLostWhenTheConnectionForMessagesBreaks(t *testing.T) {
	s := redistest.New(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	echo := mn.NewFunction("echo", func(_ context.Context, in string) (string, error) {
		if in == "waits" {
			close(begun)
			<-goOn
		}
		return in, nil
	})
	h := &held{arrived: make(chan struct{}), release: make(chan struct{}), looked: make(chan struct{})}
	rdb := goredis.NewClient(&goredis.Options{
		Addr: s.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	rdb.AddHook(h)
	logger := slog.New(slog.DiscardHandler)
	b, err := redis.New(t.Context(), rdb, redis.Options{Logger: logger})
	require.NoError(t, err)
	app, err := mn.New(mn.Config{Name: "late", Definitions: []mn.Definition{echo}, Backend: b, Logger: logger})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, app.Close())
		require.NoError(t, b.Close())
		require.NoError(t, rdb.Close())
	})
	waits := echo.On(app).Go(t.Context(), "waits")
	<-begun
	call := make(chan *mn.Future[string], 1)
	go func() { call <- echo.On(app).Go(t.Context(), "held up") }()
	<-h.arrived
	h.looking.Store(true)
	require.NoError(t, admin(t, s).ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	<-h.looked
	close(h.release)
	out, err := (<-call).Wait(t.Context())
	close(goOn)
	require.NoError(t, err)
	require.Equal(t, "held up", out)
	_, err = waits.Wait(t.Context())
	require.NoError(t, err)
}
