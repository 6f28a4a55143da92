package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/multinode/mn/backend"
)

// errForeign is what a value in our keys gets that we did not write.
var errForeign = fmt.Errorf("redis: %w: another application may use the prefix, then choose one with Options.Prefix; "+
	"or a newer mn wrote it, then upgrade", backend.ErrForeign)

// schema is the version of what is stored: keys, records, messages. It is raised when a
// program that knows only the last one could do damage. Join stores it in meta.
//
// 2: a task's fixed part may have a root and a trace, which programs of version 1 cannot read.
const schema = 2

// joinError reads join.lua's refusals.
func (s *store) joinError(reply string) error {
	f, err := netstrings(strings.TrimLeft(reply, "abcdefghijklmnopqrstuvwxyz"))
	switch {
	case err != nil:
		return errForeign
	case strings.HasPrefix(reply, "newer") && len(f) == 1:
		return fmt.Errorf("redis: keys %s* are of version %s and this program knows versions up to %d: "+
			"upgrade it, or choose another Options.Prefix: %w", s.prefix, f[0], schema, backend.ErrForeign)
	case strings.HasPrefix(reply, "foreign") && len(f) == 3:
		return fmt.Errorf("redis: key %q holds %s where mn has %s: another application uses the prefix; "+
			"choose another Options.Prefix, or delete the key: %w", f[0], f[1], f[2], backend.ErrForeign)
	}
	return errForeign
}

// explain adds to a step's error what can be done about it. args are the step's.
func (s *store) explain(ctx context.Context, name string, args []any, err error) error {
	err = fmt.Errorf("redis: step %q: %w", name, err)
	switch {
	case redis.IsReadOnlyError(err) || strings.Contains(err.Error(), "READONLY"):
		return fmt.Errorf("%w: the server is a replica: name the primary, or connect by Sentinel", err)
	case redis.IsPermissionError(err):
		return fmt.Errorf("%w: docs/operations.md lists the rights that the user needs", err)
	case strings.Contains(err.Error(), "WRONGTYPE"), strings.Contains(err.Error(), "value is not an integer"):
	case !strings.Contains(err.Error(), "user_script"), strings.Contains(err.Error(), "OOM "):
		return err
	}
	if key, holds, want := s.findForeign(ctx, args); key != "" {
		return fmt.Errorf("%w: key %q holds %s where mn has %s: %w", errForeign, key, holds, want, err)
	}
	return fmt.Errorf("%w: under %s*: %w", errForeign, s.prefix, err)
}

// ours are the types of the keys of which a namespace has one.
var ours = map[string]string{
	"pools": "set", "lease": "zset", "slots": "hash", "ses": "zset", "sx": "hash", "sn": "hash", "lk": "hash", "lkx": "zset",
	"meta": "hash", "ep": "string", "seq": "string",
}

// kinds are the types of the keys that are named for a task or a pool.
var kinds = map[string]string{
	"t:": "hash", "y:": "zset", "at:": "list", "j:": "hash", "j1:": "list", "j2:": "list", "z:": "string", "st:": "hash", "p:": "hash", "q:": "zset", "dl:": "zset", "idle:": "zset", "lent:": "zset", "run:": "hash",
	"sl:": "zset", "sv:": "set", "la:": "set", "x:P:": "zset", "x:R:": "zset", "x:G:": "zset", "x:S:": "zset", "x:F:": "zset",
	"x:C:": "zset",
}

// lookAround bounds how many tasks, and how many arguments, findForeign looks at.
const lookAround = 50

// findForeign looks for a key that holds something else than ours does: among those of the
// namespace, and those named for a pool, a task that is next, or one of a step's first
// arguments.
func (s *store) findForeign(ctx context.Context, args []any) (key, holds, want string) {
	wanted := make(map[string]string)
	for name, typ := range ours {
		wanted[s.prefix+name] = typ
	}
	for _, name := range s.nearby(ctx, args) {
		for kind, typ := range kinds {
			wanted[s.prefix+kind+name] = typ
		}
	}
	types := make(map[string]*redis.StatusCmd, len(wanted))
	counters := make(map[string]*redis.StringCmd)
	_, _ = s.b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // each has its own error
		for k := range wanted {
			types[k] = p.Type(ctx, k)
		}
		for _, name := range []string{"ep", "seq"} {
			counters[s.prefix+name] = p.Get(ctx, s.prefix+name)
		}
		return nil
	})
	for k, cmd := range types {
		if t := cmd.Val(); t != "" && t != "none" && t != wanted[k] {
			return k, "a " + t, "a " + wanted[k]
		}
	}
	for k, cmd := range counters {
		if _, err := cmd.Int64(); err != nil && !errors.Is(err, redis.Nil) {
			return k, "a text", "a number"
		}
	}
	return "", "", ""
}

// nearby are names of pools and tasks that a step may have to do with.
func (s *store) nearby(ctx context.Context, args []any) (names []string) {
	for _, arg := range args[:min(len(args), lookAround)] {
		if name, ok := arg.(string); ok && len(name) < 1000 {
			names = append(names, name)
		}
	}
	for _, ses := range s.present() {
		for _, p := range ses.Pools {
			names = append(names, p.Name)
		}
	}
	more, _ := s.b.rdb.SMembers(ctx, s.prefix+"pools").Result()
	names = append(names, more...)
	var lists []*redis.StringSliceCmd
	_, _ = s.b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		lists = append(lists, p.ZRange(ctx, s.prefix+"lease", 0, lookAround))
		for _, name := range names[:min(len(names), lookAround)] {
			lists = append(lists, p.ZRange(ctx, s.prefix+"q:"+name, 0, lookAround))
		}
		return nil
	})
	for _, l := range lists {
		names = append(names, l.Val()...)
	}
	return names
}

// refusal words why the server refuses a write to one who has just connected.
func refusal(err error) error {
	remedy := "see the server's log"
	switch {
	case redis.IsReadOnlyError(err):
		remedy = "it is a replica: name the primary, or connect by Sentinel"
	case redis.IsPermissionError(err):
		remedy = "docs/operations.md lists the rights that the user needs"
	case errors.Is(err, context.DeadlineExceeded):
		remedy = "it does not answer in time"
	}
	return fmt.Errorf("redis: the server refuses to write: %s: %w", remedy, err)
}
