package redis

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by their SHA-1
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua
var sources embed.FS

// script is one step: a file of lua/ behind the parts of lua/lib that its first line
// names.
type script struct {
	name, text, sha string
	once            bool // doing it twice is not the same as doing it once
}

func load(name string) *script {
	text := source(name + ".lua")
	first, _, _ := strings.Cut(text, "\n")
	var b strings.Builder
	for _, part := range strings.Fields(strings.TrimPrefix(first, "--!")) {
		b.WriteString(source("lib/" + part + ".lua"))
	}
	b.WriteString(text)
	sum := sha1.Sum([]byte(b.String())) //nolint:gosec // see above
	return &script{name: name, text: b.String(), sha: hex.EncodeToString(sum[:])}
}

func source(path string) string {
	data, err := sources.ReadFile("lua/" + path)
	if err != nil {
		panic(err) // the file is embedded or the program was not built
	}
	return string(data)
}

// loadOnce is load for a step that is not to be repeated.
func loadOnce(name string) *script {
	sc := load(name)
	sc.once = true
	return sc
}

var (
	scriptAppend   = loadOnce("append")
	scriptAttempts = load("attempts")
	scriptAwait    = load("await")
	scriptBeat     = load("beat")
	scriptCancel   = load("cancel")
	scriptClaim    = load("claim")
	scriptExit     = load("exit")
	scriptGet      = load("get")
	scriptJoin     = load("join")
	scriptJournal  = load("journal")
	scriptLeave    = load("leave")
	scriptList     = load("list")
	scriptLock     = load("lock")
	scriptLocks    = load("locks")
	scriptPools    = load("pools")
	scriptRemove   = load("remove")
	scriptReport   = loadOnce("report")
	scriptReserve  = load("reserve")
	scriptSettle   = load("settle")
	scriptSubmit   = load("submit")
	scriptSweep    = load("sweep")
	scriptWithdraw = load("withdraw")
	scriptWorkers  = load("workers")
	scriptYield    = load("yield")
	scriptYields   = load("yields")
)

// eval runs a script in a pipeline that it may share with others, and returns the reply.
// args follow the random number that every script begins with.
//
// A script names two keys that never exist. While a cluster moves a slot, its nodes answer
// what names several keys that they do not have with TRYAGAIN. With one such key alone the
// new node would run the script, which would find half of the namespace there and write to
// it.
func (s *store) eval(ctx context.Context, sc *script, args []any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd := redis.NewCmd(ctx, append([]any{"evalsha", sc.sha, 2, s.prefix, s.absent, rand.Uint64N(1e14)}, args...)...)
	err := s.do(ctx, sc, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") { // the server restarted, or its scripts were flushed: it did nothing
		again := append([]any{"eval", sc.text, 2, s.prefix, s.absent, rand.Uint64N(1e14)}, args...)
		cmd = redis.NewCmd(ctx, again...)
		err = s.do(ctx, sc, cmd)
	}
	switch {
	case err == nil:
		return cmd.Val(), nil
	case errors.Is(err, redis.Nil): // the script returned false
		return nil, nil
	}
	return nil, s.explain(ctx, sc.name, args, expired(ctx, err))
}

// do sends a step's command.
func (s *store) do(ctx context.Context, sc *script, cmd *redis.Cmd) error {
	switch {
	case sc == scriptBeat: // must not wait behind others whose connections are dead
		return s.pipe.alone(ctx, cmd)
	case sc.once:
		return s.pipe.do(ctx, once{cmd})
	}
	return s.pipe.do(ctx, cmd)
}

// once is a command that a client which repeats what failed does not repeat: it may have been
// executed.
type once struct{ *redis.Cmd }

// NoRetry implements [redis.Cmder].
func (once) NoRetry() bool { return true }

// expired adds the context's own error to that of a connection whose deadline was the
// context's: the connection may notice it first.
func expired(ctx context.Context, err error) error {
	d, bounded := ctx.Deadline()
	var timeout net.Error
	if !bounded || time.Now().Before(d) || errors.Is(err, context.DeadlineExceeded) ||
		!errors.As(err, &timeout) || !timeout.Timeout() {
		return err
	}
	return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
}
