package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

func checkEviction(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		policy, err := n.setting("maxmemory-policy", "maxmemory_policy")
		switch {
		case err != nil:
			return skipped(err)
		case policy != "noeviction":
			return found(Fail, "CONFIG SET maxmemory-policy noeviction, and in redis.conf",
				"maxmemory-policy is %s: jobs and locks may be deleted when memory is full", policy)
		case number(n.info, "evicted_keys") > 0:
			return found(Warn, "nothing more to do: but what was evicted is gone",
				"maxmemory-policy is noeviction now; since its start the server has deleted %s keys", n.info["evicted_keys"])
		}
		return ok("maxmemory-policy is noeviction")
	})
}

// full is the part of maxmemory above which memory counts as nearly full.
const full = 0.9

func checkMemory(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		if n.infoErr != nil {
			return skipped(fmt.Errorf("the user may not read INFO: %w", n.infoErr))
		}
		used, limit := number(n.info, "used_memory"), number(n.info, "maxmemory")
		what := "uses " + n.info["used_memory_human"]
		if limit == 0 {
			limit = number(n.info, "total_system_memory")
			what += " of the machine's " + n.info["total_system_memory_human"] + ", no maxmemory"
		} else {
			what += " of maxmemory " + n.info["maxmemory_human"]
		}
		if limit > 0 && float64(used) > full*float64(limit) {
			return found(Warn, "raise maxmemory, or remove old runs: mn rm --older-than 7d", "%s", what)
		}
		return ok("%s", what)
	})
}

func checkAOF(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		on, err := n.setting("appendonly", "aof_enabled")
		if err != nil {
			return skipped(err)
		}
		switch {
		case on != "yes" && on != "1":
			return found(Warn, "CONFIG SET appendonly yes, and in redis.conf", "appendonly is off: a crash loses what was written since the last snapshot, or all")
		case n.info["aof_last_write_status"] == "err", n.info["aof_last_bgrewrite_status"] == "err":
			return found(Fail, "see the server's log: is its disk full?", "the append-only file cannot be written")
		}
		sync, err := n.setting("appendfsync", "")
		if err == nil && sync == "no" {
			return found(Warn, "CONFIG SET appendfsync everysec, and in redis.conf", "appendfsync is no: a crash of the machine may lose half a minute")
		}
		return ok("appendonly is on, appendfsync %s", sync)
	})
}

func checkReplicas(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		if n.infoErr != nil {
			return skipped(fmt.Errorf("the user may not read INFO: %w", n.infoErr))
		}
		replicas := number(n.info, "connected_slaves")
		text, err := n.setting("min-replicas-to-write", "")
		switch {
		case replicas == 0 && (err != nil || text == "0"):
			return ok("there are no replicas")
		case err != nil:
			return skipped(err)
		case text == "0":
			return found(Warn, "CONFIG SET min-replicas-to-write 1, and in redis.conf",
				"there are %d replicas and min-replicas-to-write is 0: a primary that is cut off accepts what is then lost", replicas)
		}
		if need, _ := strconv.ParseInt(text, 10, 64); need > replicas {
			return found(Fail, "bring replicas up, or lower min-replicas-to-write", "min-replicas-to-write is %d and there are %d replicas: writes are refused", need, replicas)
		}
		return ok("%d replicas, min-replicas-to-write %s", replicas, text)
	})
}

// fewClients is a maxclients below which a dozen processes would not fit.
const fewClients = 64

func checkClients(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		text, err := n.setting("maxclients", "maxclients")
		if err != nil {
			return skipped(err)
		}
		limit, _ := strconv.ParseInt(text, 10, 64)
		now := number(n.info, "connected_clients")
		switch {
		case number(n.info, "rejected_connections") > 0:
			return found(Warn, "CONFIG SET maxclients to five for each process, and some", "maxclients is %d, and the server has turned away %s connections since its start",
				limit, n.info["rejected_connections"])
		case limit < fewClients, now*5 > limit*4:
			return found(Warn, "CONFIG SET maxclients to five for each process, and some", "%d connections of at most %d", now, limit)
		}
		return ok("%d connections of at most %d", now, limit)
	})
}

// Limits for messages below which a value of the usual limit, 1 MiB, can break the
// connection: those that a server has unless it is changed.
const (
	pubsubHard = 32 << 20
	pubsubSoft = 8 << 20
)

func checkBuffers(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		text, err := n.setting("client-output-buffer-limit", "")
		if err != nil {
			return skipped(err)
		}
		f := strings.Fields(text)
		for i := 0; i+3 < len(f); i += 4 {
			if f[i] != "pubsub" {
				continue
			}
			hard, _ := strconv.ParseInt(f[i+1], 10, 64)
			soft, _ := strconv.ParseInt(f[i+2], 10, 64)
			if hard > 0 && hard < pubsubHard || soft > 0 && soft < pubsubSoft {
				return found(Warn, `CONFIG SET client-output-buffer-limit "pubsub 64mb 32mb 60", and in redis.conf`,
					"client-output-buffer-limit for pubsub is %s: large values break the connection for messages", strings.Join(f[i+1:i+4], " "))
			}
			return ok("client-output-buffer-limit for pubsub is %s", strings.Join(f[i+1:i+4], " "))
		}
		return ok("no limit for pubsub")
	})
}
