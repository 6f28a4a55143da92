package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Redis is a server to check. INFO and CONFIG are read once.
type Redis struct {
	Client goredis.UniversalClient
	Prefix string // of mn's keys
	App    string // "": which app it is for is not known

	nodes []*node
}

// node is one server that holds data: the only one, or a primary of a cluster.
type node struct {
	goredis.Cmdable
	name    string // "" if it is the only one
	info    map[string]string
	infoErr error
	config  map[string]string
	confErr error
}

// RedisChecks are all checks of a server, in order. The first says whether there is one; if it
// fails, the rest is left out.
var RedisChecks = []Check[Redis]{
	{"redis-reach", "the server answers and accepts the user", checkReach},
	{"redis-version", "Redis 7 or newer, or Valkey", checkVersion},
	{"redis-role", "it is a primary, which accepts writes", checkRole},
	{"redis-cluster", "it is spoken to as what it is, and all slots are served", checkCluster},
	{"redis-eviction", "maxmemory-policy noeviction: nothing is deleted when memory is full", checkEviction},
	{"redis-memory", "there is room in memory", checkMemory},
	{"redis-aof", "appendonly yes, appendfsync everysec: a crash loses a second at the most", checkAOF},
	{"redis-replicas", "min-replicas-to-write 1 where there are replicas", checkReplicas},
	{"redis-clients", "maxclients allows five connections for each process, and some", checkClients},
	{"redis-buffers", "client-output-buffer-limit leaves room for messages", checkBuffers},
	{"redis-rights", "the user has all rights that mn needs", checkRights},
	{"redis-latency", "exchanges are quick", checkLatency},
	{"redis-clock", "the clocks of server and this machine agree", checkClock},
	{"redis-schema", "what is stored is of this version", checkSchema},
}

// CheckRedis executes [RedisChecks] and hands on each result. It returns whether the server
// can be used at all.
func CheckRedis(ctx context.Context, r *Redis, report func(Result)) bool {
	usable := true
	run(ctx, r, RedisChecks[:1], func(result Result) {
		usable = result.Level != Fail
		report(result)
	})
	if !usable {
		return false
	}
	r.read(ctx)
	run(ctx, r, RedisChecks[1:], report)
	return true
}

// read reads what several checks look at.
func (r *Redis) read(ctx context.Context) {
	if c, ok := r.Client.(*goredis.ClusterClient); ok {
		found := make(chan *node, 1000)
		_ = c.ForEachMaster(ctx, func(_ context.Context, n *goredis.Client) error {
			found <- &node{Cmdable: n, name: n.Options().Addr}
			return nil
		})
		close(found)
		for n := range found {
			r.nodes = append(r.nodes, n)
		}
		slices.SortFunc(r.nodes, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	} else {
		r.nodes = []*node{{Cmdable: r.Client}}
	}
	for _, n := range r.nodes {
		var text string
		if text, n.infoErr = n.Info(ctx, "everything").Result(); n.infoErr == nil {
			n.info = parseInfo(text)
		}
		n.config, n.confErr = n.ConfigGet(ctx, "*").Result()
	}
}

func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = value
		}
	}
	return info
}

// number is a number of INFO or CONFIG, 0 if it is not there.
func number(m map[string]string, key string) int64 {
	n, _ := strconv.ParseInt(m[key], 10, 64)
	return n
}

// setting reads one setting of a server, from CONFIG or, where that is not allowed, from what
// INFO calls it.
func (n *node) setting(name, info string) (string, error) {
	if v, ok := n.config[name]; ok && n.confErr == nil {
		return v, nil
	}
	if v, ok := n.info[info]; ok && n.infoErr == nil {
		return v, nil
	}
	if n.confErr != nil {
		return "", fmt.Errorf("the user may not read it: %w", n.confErr)
	}
	return "", fmt.Errorf("the server does not know %s", name)
}

// each checks every node and returns the worst that it found, with the node's name.
func (r *Redis) each(check func(n *node) Result) Result {
	worst := Result{Level: Skipped, Found: "no server"}
	for i, n := range r.nodes {
		result := check(n)
		if n.name != "" && result.Level != OK {
			result.Found = n.name + ": " + result.Found
		}
		if i == 0 || severity(result.Level) > severity(worst.Level) {
			worst = result
		}
	}
	return worst
}

func severity(l Level) int { return slices.Index([]Level{OK, Skipped, Note, Warn, Fail}, l) }

// reaching bounds how long the first answer may take.
const reaching = 5 * time.Second

func checkReach(ctx context.Context, r *Redis) Result {
	ctx, cancel := context.WithTimeout(ctx, reaching)
	defer cancel()
	err := r.Client.Ping(ctx).Err()
	switch {
	case err == nil:
		return ok("it answers")
	case strings.Contains(err.Error(), "NOAUTH"), strings.Contains(err.Error(), "WRONGPASS"):
		return found(Fail, "give the user and its password: redis://USER@HOST:PORT with MN_REDIS_PASSWORD", "%v", err)
	case goredis.IsPermissionError(err):
		return found(Fail, "give the user the rights of docs/operations.md", "%v", err)
	case strings.Contains(err.Error(), "cluster support disabled"):
		return found(Fail, "use redis:// in place of redis+cluster://", "it is no cluster")
	case strings.Contains(err.Error(), "LOADING"):
		return found(Fail, "wait until the server has loaded its data", "%v", err)
	}
	return found(Fail, "check that the server runs, its address, firewalls, and whether it wants TLS (rediss://)", "%v", err)
}

func checkVersion(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		if n.infoErr != nil {
			return skipped(fmt.Errorf("the user may not read INFO: %w", n.infoErr))
		}
		if v := n.info["valkey_version"]; v != "" {
			return ok("Valkey %s", v)
		}
		v := n.info["redis_version"]
		major, _ := strconv.Atoi(strings.SplitN(v, ".", 2)[0])
		if major < 7 {
			return found(Fail, "upgrade to Redis 7 or newer, or Valkey", "Redis %s", v)
		}
		return ok("Redis %s", v)
	})
}

func checkRole(_ context.Context, r *Redis) Result {
	return r.each(func(n *node) Result {
		if n.infoErr != nil {
			return skipped(fmt.Errorf("the user may not read INFO: %w", n.infoErr))
		}
		if n.info["role"] != "master" {
			return found(Fail, fmt.Sprintf("connect to the primary, %s:%s, or by Sentinel", n.info["master_host"], n.info["master_port"]),
				"it is a replica, which accepts no writes")
		}
		return ok("primary with %d replicas", number(n.info, "connected_slaves"))
	})
}

func checkCluster(ctx context.Context, r *Redis) Result {
	_, client := r.Client.(*goredis.ClusterClient)
	return r.each(func(n *node) Result {
		if n.infoErr != nil {
			return skipped(fmt.Errorf("the user may not read INFO: %w", n.infoErr))
		}
		cluster := n.info["cluster_enabled"] == "1"
		switch {
		case !cluster:
			return ok("one server")
		case !client:
			return found(Fail, "use redis+cluster:// here, and goredis.NewClusterClient with redis.New in the program", "it is a cluster")
		}
		text, err := n.ClusterInfo(ctx).Result()
		if err != nil {
			return skipped(err)
		}
		state := parseInfo(text)
		if state["cluster_state"] != "ok" || number(state, "cluster_slots_ok") != number(state, "cluster_slots_assigned") {
			return found(Fail, "see CLUSTER NODES for what is down: redis-cli --cluster check HOST:PORT",
				"state %s, %s of 16384 slots are served", state["cluster_state"], state["cluster_slots_ok"])
		}
		return ok("cluster of %s primaries, all slots are served", state["cluster_size"])
	})
}
