package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// publish makes a module proxy in dir out of what this checkout would publish.
func publish(t *testing.T, dir, source string, m module.Version) {
	t.Helper()
	at := filepath.Join(dir, filepath.FromSlash(m.Path), "@v")
	require.NoError(t, os.MkdirAll(at, 0o755))
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"list": m.Version + "\n", m.Version + ".mod": string(mod), m.Version + ".info": `{"Version":"` + m.Version + `"}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(at, name), []byte(text), 0o600))
	}
	f, err := os.Create(filepath.Join(at, m.Version+".zip"))
	require.NoError(t, err)
	require.NoError(t, zip.CreateFromDir(f, m, source))
	require.NoError(t, f.Close())
}

// go install PACKAGE@latest refuses modules with a replace and knows no workspace, so it is
// tried as a user will do it, from a proxy that has what this checkout would publish. MN_INSTALL=1
// builds too, which takes minutes; else all is resolved and nothing built.
func TestGoInstallWorksOncePublished(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	file, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	library := module.Version{Path: "github.com/multinode/mn"}
	for _, r := range file.Require {
		if r.Mod.Path == library.Path {
			library.Version = r.Mod.Version
		}
	}
	proxy, home := t.TempDir(), t.TempDir()
	publish(t, proxy, "../..", library)
	publish(t, proxy, ".", module.Version{Path: library.Path + "/cmd/mn", Version: library.Version})

	cache, upstream := goEnv(t, "GOMODCACHE"), goEnv(t, "GOPROXY")
	args := []string{"install", "-modcacherw", library.Path + "/cmd/mn@latest"}
	build := os.Getenv("MN_INSTALL") != ""
	if !build {
		args = append([]string{"install", "-n"}, args[1:]...)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOBIN="+home, "GOMODCACHE="+filepath.Join(home, "mod"), "GONOSUMDB=*",
		"GOPROXY=file://"+proxy+",file://"+filepath.Join(cache, "cache", "download")+","+upstream)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	if !build {
		return
	}
	out, err = exec.Command(filepath.Join(home, "mn"), "--version").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), library.Version)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
