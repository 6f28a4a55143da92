package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/multinode/mn/backend/redis"
)

// rights are the commands of docs/operations.md that a user must be allowed, each with
// arguments after which it changes nothing: KEY stands for a key that does not exist.
var rights = [][]any{
	{"eval", "return 1", 0},
	{"evalsha", strings.Repeat("0", 40), 0},
	{"time"},
	{"type", "KEY"},
	{"exists", "KEY"},
	{"unlink", "KEY"},
	{"pexpire", "KEY", 1000},
	{"get", "KEY"},
	{"hget", "KEY", "f"},
	{"hdel", "KEY", "f"},
	{"hexists", "KEY", "f"},
	{"hgetall", "KEY"},
	{"hkeys", "KEY"},
	{"hscan", "KEY", 0},
	{"hlen", "KEY"},
	{"hmget", "KEY", "f"},
	{"srem", "KEY", "m"},
	{"scard", "KEY"},
	{"sismember", "KEY", "m"},
	{"smembers", "KEY"},
	{"zrem", "KEY", "m"},
	{"zcard", "KEY"},
	{"zcount", "KEY", 0, 1},
	{"zscore", "KEY", "m"},
	{"zrange", "KEY", 0, 1},
	{"zrevrange", "KEY", 0, 1},
	{"zrangebyscore", "KEY", 0, 1},
	{"zrangebylex", "KEY", "-", "+"},
	{"zrevrangebylex", "KEY", "+", "-"},
	{"zremrangebyrank", "KEY", 0, 1},
	{"zpopmin", "KEY"},
	{"zpopmax", "KEY"},
	{"lrange", "KEY", 0, 1},
	{"ltrim", "KEY", 0, 1},
	{"llen", "KEY"},
	{"lpop", "KEY"},
	{"publish", "KEY", ""},
	{"ping"},
}

// writes are those that write whatever they find. They are tried last, on a key that is
// deleted after each.
var writes = [][]any{
	{"set", "KEY", ""},
	{"incr", "KEY"},
	{"incrby", "KEY", 1},
	{"hset", "KEY", "f", ""},
	{"hsetnx", "KEY", "f", ""},
	{"hincrby", "KEY", "f", 1},
	{"sadd", "KEY", "m"},
	{"zadd", "KEY", 1, "m"},
	{"rpush", "KEY", ""},
}

// scratch is the end of the key that rights are tried with. No namespace can have its name.
const scratch = ":{-mn doctor-}"

func checkRights(ctx context.Context, r *Redis) Result {
	writes := writes
	prefix := r.Prefix
	if prefix == "" {
		prefix = "mn"
	}
	key := prefix + scratch
	var missing []string
	try := func(args []any) error {
		args = slices.Clone(args)
		for i, a := range args {
			if a == "KEY" {
				args[i] = key
			}
		}
		err := r.Client.Do(ctx, args...).Err()
		if goredis.IsPermissionError(err) {
			missing = append(missing, "+"+args[0].(string))
			return nil
		}
		var answer goredis.Error
		if err == nil || errors.As(err, &answer) {
			return nil // also one that the arguments or the memory do not allow: the right is there
		}
		return err
	}
	for _, args := range rights {
		if err := try(args); err != nil {
			return skipped(err)
		}
	}
	if slices.Contains(missing, "+unlink") {
		writes = nil // they could not be undone
	}
	for _, args := range writes {
		err := try(args)
		_ = r.Client.Unlink(ctx, key).Err()
		if err != nil {
			return skipped(err)
		}
	}
	if err := r.trySubscribe(ctx, key); goredis.IsPermissionError(err) {
		missing = append(missing, "+subscribe and &"+prefix+":*")
	} else if err != nil {
		return skipped(err)
	}
	if len(missing) > 0 {
		return found(Fail, "ACL SETUSER with the rights of docs/operations.md, for keys ~"+prefix+":* and channels &"+prefix+":*",
			"the user lacks %s", strings.Join(missing, " "))
	}
	return ok("all are there")
}

func (r *Redis) trySubscribe(ctx context.Context, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, reaching)
	defer cancel()
	s := r.Client.Subscribe(ctx, channel)
	defer func() { _ = s.Close() }()
	_, err := s.Receive(ctx)
	return err
}

const (
	pings = 50
	// slow is a median exchange above which calls of functions take more than a hundredth of a
	// second; a heartbeat has five seconds.
	slow = 5 * time.Millisecond
)

func checkLatency(ctx context.Context, r *Redis) Result {
	var times []time.Duration
	for range pings {
		begun := time.Now()
		if err := r.Client.Ping(ctx).Err(); err != nil {
			return skipped(err)
		}
		times = append(times, time.Since(begun))
	}
	slices.Sort(times)
	median, longest := times[len(times)/2], times[len(times)-1]
	if median > slow {
		return found(Warn, "run programs near the server: a call is two exchanges; see redis-cli --latency and SLOWLOG GET",
			"an exchange takes %s in the median, %s at most, of %d", median.Round(time.Microsecond), longest.Round(time.Microsecond), pings)
	}
	return ok("an exchange takes %s in the median, %s at most, of %d", median.Round(time.Microsecond), longest.Round(time.Microsecond), pings)
}

// skew is how far clocks may be apart: runs are listed by the clock of who started them.
const skew = 2 * time.Second

func checkClock(ctx context.Context, r *Redis) Result {
	before := time.Now()
	server, err := r.Client.Time(ctx).Result()
	if err != nil {
		return skipped(err)
	}
	apart := server.Sub(before.Add(time.Since(before) / 2)).Abs().Round(time.Millisecond)
	if apart > skew {
		return found(Warn, "run NTP on both machines: lists go by the clock of who started a run", "%s apart", apart)
	}
	return ok("%s apart", apart)
}

func checkSchema(ctx context.Context, r *Redis) Result {
	if r.App == "" {
		return Result{Level: Skipped, Found: "name the app by --app"}
	}
	b, err := redis.New(ctx, r.Client, redis.Options{Prefix: r.Prefix, Logger: quiet})
	if err != nil {
		return found(Fail, "see the other checks", "%v", err)
	}
	defer func() { _ = b.Close() }()
	stored, err := b.Stored(ctx, r.App)
	switch {
	case err != nil:
		return found(Fail, "choose another prefix for mn: another application uses this one", "%v", err)
	case stored == 0:
		return found(Note, "check --app and --prefix, or start a program of the app", "app %q has stored nothing here", r.App)
	case stored > redis.Schema:
		return found(Fail, "install a newer mn", "app %q is of version %d, this mn knows versions up to %d", r.App, stored, redis.Schema)
	case stored < redis.Schema:
		return found(Warn, "use an mn of its version: this one must not join it", "app %q is of version %d, this mn writes %d", r.App, stored, redis.Schema)
	}
	return ok("version %d", stored)
}
