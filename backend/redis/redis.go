// Package redis keeps mn's state in a Redis (or Valkey) server, so that apps in
// different processes and on different machines share jobs, functions and locks.
//
// Each step of [backend.Store] is one Lua script, under lua/, which checks states and
// leases where the data is. All keys of a namespace carry one hash tag, so in a cluster a
// namespace lives on one node and every step is atomic; several namespaces spread over
// the nodes.
//
// A process needs one connection for messages and at the most four for
// commands, however many goroutines wait and however many jobs are watched: concurrent
// steps share pipelines.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/multinode/mn/backend"
)

// Options change how a Backend works.
type Options struct {
	// Prefix begins all keys, so that several applications share one database.
	// Default "mn".
	Prefix string
	// Logger gets warnings about the server's settings and lost connections. Default:
	// slog.Default().
	Logger *slog.Logger
	// Strict refuses a server whose settings can lose data without a trace, instead of
	// warning: an eviction policy other than noeviction, or one that cannot be read.
	Strict bool
}

// Backend is state in one Redis. Create it with Open or New and end it with Close.
type Backend struct {
	rdb  redis.UniversalClient
	own  bool // Close closes rdb
	opts Options

	lifetime context.Context
	end      context.CancelFunc
	loops    sync.WaitGroup

	mu     sync.Mutex
	stores map[string]*store
	closed bool
}

var _ backend.Backend = (*Backend)(nil)

// connections is how many connections Open's client has for commands: they carry
// pipelines, so a few are enough for any number of goroutines.
const connections = 4

// Open connects to the server that url names, as redis://user:password@host:port/db, or
// rediss:// for TLS, and checks that it can be used. It blocks until the server has
// answered or ctx is done.
func Open(ctx context.Context, url string, o Options) (*Backend, error) {
	parsed, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis: the URL must be like redis://user:password@host:6379/0: %w", redact(err, url))
	}
	// A step that failed is repeated by its caller, which knows what it is doing.
	parsed.MaxRetries = -1
	parsed.PoolSize = connections
	parsed.ContextTimeoutEnabled = true
	parsed.DisableIdentity = true // one right less that the user needs
	// Notices of managed clouds about their maintenance: they cost goroutines, and what a
	// lost connection means is known here.
	parsed.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	b, err := New(ctx, redis.NewClient(parsed), o)
	if b != nil {
		b.own = true
	}
	return b, err
}

// redact keeps a URL's password out of an error.
func redact(err error, url string) error {
	return errors.New(strings.ReplaceAll(err.Error(), url, "the given URL"))
}

// New uses a client that the caller made and closes: for Sentinel, Cluster, or settings
// that a URL cannot say. Give it ContextTimeoutEnabled, so that contexts are obeyed.
func New(ctx context.Context, rdb redis.UniversalClient, o Options) (*Backend, error) {
	if o.Prefix == "" {
		o.Prefix = "mn"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	b := &Backend{rdb: rdb, opts: o, stores: make(map[string]*store)}
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, fmt.Errorf("redis: Options.Prefix %q must not contain braces: they choose the cluster slot", o.Prefix)
	}
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	b.lifetime, b.end = context.WithCancel(context.Background())
	return b, nil
}

// check refuses servers that cannot be used and warns of settings that should not be.
func (b *Backend) check(ctx context.Context) error {
	if err := b.rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: the server does not answer, or refuses the user: check address, password and database: %w", err)
	}
	if err := b.rdb.Unlink(ctx, b.opts.Prefix+":-").Err(); err != nil { // a write that changes nothing
		return refusal(err)
	}
	var err error
	if c, ok := b.rdb.(*redis.ClusterClient); ok {
		err = c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return eviction(ctx, node) })
	} else {
		err = eviction(ctx, b.rdb)
	}
	switch {
	case err == nil, errors.Is(err, errUnknownPolicy) && !b.opts.Strict:
		return nil
	case b.opts.Strict:
		return err
	}
	b.opts.Logger.Warn("mn: " + err.Error())
	return nil
}

var errUnknownPolicy = errors.New("redis: Options.Strict: maxmemory-policy cannot be read; allow the user config|get or info")

// eviction fails if a server may delete keys when its memory is full, or does not tell.
func eviction(ctx context.Context, c redis.Cmdable) error {
	p := policy(ctx, c)
	switch p {
	case "noeviction":
		return nil
	case "":
		return errUnknownPolicy
	}
	return fmt.Errorf("redis: maxmemory-policy is %q: when memory is full the server may delete jobs and locks; set it to noeviction", p)
}

// policy reads a server's eviction policy; "" if the user may not ask, or the server does
// not know the question.
func policy(ctx context.Context, c redis.Cmdable) string {
	const setting = "maxmemory-policy"
	if config, err := c.ConfigGet(ctx, setting).Result(); err == nil {
		return config[setting]
	}
	info, _ := c.Info(ctx, "memory").Result()
	_, rest, _ := strings.Cut(info, "maxmemory_policy:")
	p, _, _ := strings.Cut(rest, "\r")
	return p
}

// Namespace implements [backend.Backend].
func (b *Backend) Namespace(name string) backend.Store {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.stores[name]
	if !ok {
		s = newStore(b, name)
		b.stores[name] = s
	}
	return s
}

// Close ends the connections that the backend has opened. Close the apps before.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.loops.Wait()
	if b.own {
		return b.rdb.Close()
	}
	return nil
}

// start runs a loop until Close.
func (b *Backend) start(loop func(ctx context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.loops.Go(func() { loop(b.lifetime) })
	}
}

// exchangeTimeout bounds one exchange with the server.
const exchangeTimeout = 5 * time.Second
