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
type script struct{ name, text, sha string }

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

var (
	scriptAwait    = load("await")
	scriptBeat     = load("beat")
	scriptCancel   = load("cancel")
	scriptClaim    = load("claim")
	scriptExit     = load("exit")
	scriptGet      = load("get")
	scriptJoin     = load("join")
	scriptLeave    = load("leave")
	scriptList     = load("list")
	scriptLock     = load("lock")
	scriptLocks    = load("locks")
	scriptPools    = load("pools")
	scriptRemove   = load("remove")
	scriptReserve  = load("reserve")
	scriptSettle   = load("settle")
	scriptSubmit   = load("submit")
	scriptSweep    = load("sweep")
	scriptWithdraw = load("withdraw")
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
	do := s.pipe.do
	if sc == scriptBeat { // must not wait behind others whose connections are dead
		do = s.pipe.alone
	}
	err := do(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") { // the server restarted, or its scripts were flushed
		again := append([]any{"eval", sc.text, 2, s.prefix, s.absent, rand.Uint64N(1e14)}, args...)
		cmd = redis.NewCmd(ctx, again...)
		err = do(ctx, cmd)
	}
	switch {
	case err == nil:
		return cmd.Val(), nil
	case errors.Is(err, redis.Nil): // the script returned false
		return nil, nil
	}
	return nil, s.explain(ctx, sc.name, args, expired(ctx, err))
}

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
