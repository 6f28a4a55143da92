package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/cli"
	"github.com/multinode/mn/internal/redistest"
)

func TestWhatCannotBeReachedIsTold(t *testing.T) {
	r := newRig(t)
	for _, bad := range []struct {
		environ []string
		code    int
		says    string
	}{
		{[]string{fmt.Sprintf("MN_REDIS=redis://u:secret@127.0.0.1:%d", redistest.FreePort(t))}, cli.ExitUnreachable, "u:xxxxx@127.0.0.1"},
		{[]string{"MN_REDIS=http://secret@x"}, cli.ExitUsage, "must be like redis://user@host:6379/0"},
		{[]string{"MN_REDIS=redis+thing://x"}, cli.ExitUsage, "use +cluster or +sentinel"},
		{[]string{"MN_REDIS=redis+sentinel://x:1"}, cli.ExitUsage, "?master_name=main"},
		{[]string{"MN_REDIS=" + r.url, "MN_APP=typo"}, cli.ExitNotFound, `there is no app "typo" at ` + r.url + ": there are shop"},
		{[]string{"MN_REDIS=" + r.url, "MN_PREFIX=other"}, cli.ExitNotFound, "under prefix other"},
		{[]string{"MN_REDIS=" + r.url, "MN_CONTEXT=none"}, cli.ExitUsage, `there is no context "none"`},
		{[]string{"MN_REDIS=" + r.url, "MN_KEYS=a=short"}, cli.ExitUsage, `"a" must be 16, 24 or 32 bytes`},
	} {
		r.environ = bad.environ
		a := r.run("ps")
		require.Equal(t, bad.code, a.code, "%v: %s", bad.environ, a.err)
		require.Contains(t, a.err, bad.says)
		require.NotContains(t, a.err, "secret")
		require.Empty(t, a.out)
	}
	keys, err := r.admin().Keys(t.Context(), "*typo*").Result()
	require.NoError(t, err)
	require.Empty(t, keys, "a mistyped name makes no namespace")

	r.environ = []string{"MN_REDIS=" + r.url}
	r.open("second", mn.JSON, double)
	a := r.run("ps")
	require.Equal(t, cli.ExitUsage, a.code)
	require.Contains(t, a.err, "there are second, shop")
	r.ok("ps", "-a", "shop")
	a = r.run("lods")
	require.Equal(t, cli.ExitUsage, a.code)
	require.Contains(t, a.err, "did you mean locks or logs?")
	require.Equal(t, cli.ExitUsage, r.run("ps", "--nothing").code)
	require.Equal(t, cli.ExitUsage, r.run("ps", "extra").code)
	require.Equal(t, cli.ExitUsage, r.run("ps", "--color", "pink").code)
}

func TestAServerThatStopsIsUnreachable(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	s := redistest.New(t)
	s.Stop()
	defer s.Continue()
	r := &rig{t: t, url: s.URL(), environ: []string{"MN_REDIS=" + s.URL()}}
	begun := time.Now()
	require.Equal(t, cli.ExitUnreachable, r.run("ps", "--timeout", "300ms").code)
	require.Less(t, time.Since(begun), 5*time.Second)
}

func TestContextsSayWhereAppsAre(t *testing.T) {
	r := newRig(t)
	config := filepath.Join(t.TempDir(), "c.toml")
	write := func(mode os.FileMode, text string) {
		require.NoError(t, os.WriteFile(config, []byte(text), mode))
		require.NoError(t, os.Chmod(config, mode))
	}
	write(0o644, "current = 'a'\n[contexts.a]\nredis = '"+r.url+"'\napp = 'shop'\n[contexts.b]\nredis = 'redis://127.0.0.1:1'\n")
	r.environ = []string{"MN_CONFIG=" + config}
	r.ok("ps")
	require.Equal(t, cli.ExitUnreachable, r.run("ps", "--context", "b").code)
	require.Equal(t, cli.ExitUnreachable, r.run("ps", "--redis", "redis://127.0.0.1:1").code, "a flag beats the file")
	r.environ = append(r.environ, "MN_REDIS=redis://127.0.0.1:1")
	require.Equal(t, cli.ExitUnreachable, r.run("ps").code, "the environment beats the current context")
	r.environ = append(r.environ, "MN_PREFIX=other")
	r.ok("ps", "--context", "a") // for which the environment counts no more
	require.Equal(t, []map[string]any{
		{"name": "a", "current": true, "redis": r.url, "app": "shop"}, {"name": "b", "current": false, "redis": "redis://127.0.0.1:1"},
	}, r.lines("contexts"))

	secret := "[contexts.a]\nredis = 'redis://u:secret@127.0.0.1:1'\n"
	write(0o640, secret)
	a := r.run("contexts")
	require.Equal(t, cli.ExitUsage, a.code)
	require.Contains(t, a.err, "others may read it: chmod 600")
	write(0o600, secret)
	require.Contains(t, r.ok("contexts"), "redis://u:xxxxx@127.0.0.1:1")
	write(0o600, "[contexts.a]\nreids = 'x'\n")
	require.Contains(t, r.run("ps").err, "unknown key contexts.a.reids")
}

func TestAKeyReadsWhatIsEncrypted(t *testing.T) {
	r := newRig(t)
	key := strings.Repeat("ab", 16)
	codec, err := mn.Encrypt(mn.JSON, mn.Keys{Current: "k1", Keys: map[string][]byte{"k1": []byte(strings.Repeat("\xab", 16))}})
	require.NoError(t, err)
	app := r.open("vault", codec, r.parts, double)
	id, err := r.parts.On(app).Start(t.Context(), 3)
	require.NoError(t, err)
	_, err = r.parts.On(app).Wait(t.Context(), id)
	require.NoError(t, err)
	r.environ = append(r.environ, "MN_APP=vault")
	require.Contains(t, r.run("ps").out, string(id), "what is not encrypted can be read without")
	require.NotContains(t, r.run("show", string(id)).out, "Newest result")
	r.environ = append(r.environ, "MN_KEYS=k1="+key)
	require.Contains(t, r.ok("show", string(id)), "Newest result (yield 1)\n  6")
	require.Equal(t, "8\n", r.ok("call", "double", "4"))
}

func TestCompletionsAreLive(t *testing.T) {
	r := newRig(t)
	id := r.start("parts", "0")
	r.until(id, mn.Succeeded)
	offers := func(args ...string) (got []string) {
		for line := range strings.Lines(r.ok(append([]string{"__complete"}, args...)...)) {
			if offer, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(offer, ":") {
				got = append(got, offer)
			}
		}
		return got
	}
	require.Equal(t, []string{id}, offers("show", ""))
	require.Equal(t, []string{id}, offers("rm", id[:9]))
	require.Empty(t, offers("rm", id, ""), "not twice")
	require.Empty(t, offers("show", id, ""))
	require.Equal(t, []string{"break", "hold", "import", "parts"}, offers("start", ""))
	require.Equal(t, []string{"boom", "double", "odd"}, offers("call", ""))
	require.Equal(t, []string{"import"}, offers("ps", "-d", "im"))
	require.Equal(t, []string{"failed,cancelling", "failed,cancelled"}, offers("ps", "--status", "failed,c"))
	require.Equal(t, []string{"double"}, offers("workers", "-d", "do"))
	for _, shell := range []string{"bash", "zsh", "fish"} {
		require.Contains(t, r.ok("completion", shell), "__complete", shell)
	}
	r.environ = []string{fmt.Sprintf("MN_REDIS=redis://127.0.0.1:%d", redistest.FreePort(t))}
	require.Empty(t, offers("show", ""), "without a server there is nothing to offer, and nothing to say")
}
