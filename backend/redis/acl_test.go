package redis_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
)

// documentedRights are the rules in docs/operations.md, and those that a cluster needs more.
func documentedRights(t *testing.T) (rules, cluster []string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(doc), "```\nACL SETUSER mn ")
	require.True(t, ok)
	block, after, _ := strings.Cut(after, "```")
	_, more, ok := strings.Cut(after, "In a cluster also `")
	require.True(t, ok)
	more, _, _ = strings.Cut(more, "`")
	return strings.Fields(strings.ReplaceAll(block, "\\", " ")), strings.Fields(more)
}

// admit makes the user mn, whose password is PASSWORD.
func admit(t *testing.T, root *goredis.Client, rules []string) {
	t.Helper()
	args := []any{"ACL", "SETUSER", "mn"}
	for _, rule := range rules {
		args = append(args, rule)
	}
	require.NoError(t, root.Do(t.Context(), args...).Err())
}

func TestTheDocumentedRightsSuffice(t *testing.T) {
	s := redistest.New(t)
	root := redistest.NewAdmin(t, s.Addr())
	rules, _ := documentedRights(t)
	admit(t, root, rules)
	url := strings.Replace(s.URL(), "//", "//mn:PASSWORD@", 1)
	works(t, newApp(t, url, redis.Options{Strict: true}))
	everyStep(t, open(t, url).Namespace("n"))
	refused, err := root.Do(t.Context(), "ACL", "LOG").Slice()
	require.NoError(t, err)
	require.Empty(t, refused)
	_, err = redis.Open(t.Context(), url, redis.Options{Prefix: "other"})
	require.ErrorContains(t, err, "the rights that the user needs", "the keys of others are out of reach")
}

func TestTheDocumentedRightsSufficeInACluster(t *testing.T) {
	c := redistest.NewCluster(t)
	rules, more := documentedRights(t)
	for i := range c.Nodes {
		admit(t, c.Admin(i), append(rules, more...))
	}
	works(t, appOn(t, closed(t, goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs: c.Addrs(), Username: "mn", Password: "PASSWORD",
		ContextTimeoutEnabled: true, DisableIdentity: true, MaintNotificationsConfig: noNotices,
	}))))
	for i := range c.Nodes {
		refused, err := c.Admin(i).Do(t.Context(), "ACL", "LOG").Slice()
		require.NoError(t, err)
		require.Empty(t, refused)
	}
}

// The documented commands are those that the scripts and the client use, and no others.
func TestNoRightIsDocumentedThatIsNotNeeded(t *testing.T) {
	used := make(map[string]bool)
	for _, sent := range []string{"evalsha", "eval", "publish", "subscribe", "unsubscribe", "unlink", "hscan", "ping", "hello", "select", "config|get"} {
		used[sent] = true
	}
	calls := regexp.MustCompile(`call\('([A-Z]+)'`)
	require.NoError(t, fs.WalkDir(os.DirFS("lua"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile("lua/" + path)
		for _, m := range calls.FindAllStringSubmatch(string(text), -1) {
			used[strings.ToLower(m[1])] = true
		}
		return err
	}))
	var documented []string
	rules, _ := documentedRights(t)
	for _, rule := range rules {
		if name, ok := strings.CutPrefix(rule, "+"); ok {
			documented = append(documented, name)
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(used)), documented)
}

// Who may ask for neither CONFIG nor INFO can work, but not be sure.
func TestSettingsThatMayNotBeReadAreToleratedButNotByStrict(t *testing.T) {
	s := redistest.New(t)
	rules, _ := documentedRights(t)
	admit(t, redistest.NewAdmin(t, s.Addr()), append(rules, "-config|get"))
	url := strings.Replace(s.URL(), "//", "//mn:PASSWORD@", 1)
	var log bytes.Buffer
	b, err := redis.Open(t.Context(), url, redis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.Empty(t, log.String())
	works(t, newApp(t, url, redis.Options{}))
	_, err = redis.Open(t.Context(), url, redis.Options{Strict: true})
	require.ErrorContains(t, err, "allow the user config|get or info")
	admit(t, redistest.NewAdmin(t, s.Addr()), []string{"+info"})
	b, err = redis.Open(t.Context(), url, redis.Options{Strict: true})
	require.NoError(t, err)
	require.NoError(t, b.Close())
}

func TestOneClusterNodeWithAnotherEvictionPolicyIsFound(t *testing.T) {
	c := redistest.NewCluster(t)
	require.NoError(t, c.Admin(2).ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	_, err := redis.New(t.Context(), clusterClient(t, c.Nodes[0].Addr()), redis.Options{Strict: true})
	require.ErrorContains(t, err, "set it to noeviction")
}

// Without the right to listen a session can hear nothing: that is said, not waited for.
func TestAUserWhoMayNotListenIsTold(t *testing.T) {
	s := redistest.New(t)
	rules, _ := documentedRights(t)
	admit(t, redistest.NewAdmin(t, s.Addr()), append(rules, "resetchannels"))
	b := open(t, strings.Replace(s.URL(), "//", "//mn:PASSWORD@", 1))
	store := b.Namespace("n")
	err := store.Join(t.Context(), sessionOf("host"), newHeard())
	require.ErrorContains(t, err, "must be allowed the channels mn:{n}:s:*")
}
