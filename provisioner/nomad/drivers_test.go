package nomad_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/provisioner/nomad"
)

// static compiles this test binary so that it needs no libraries: it runs where there is nothing else.
func static(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", path, ".") //nolint:gosec // a fixed command
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// needDriver skips the test if the agent cannot run a driver's tasks.
func needDriver(t *testing.T, a *nomadtest.Agent, name, remedy string) {
	t.Helper()
	var driver *api.DriverInfo
	found := func() bool {
		nodes, _, err := a.Client.Nodes().List(nil)
		if err == nil && len(nodes) == 1 {
			driver = nodes[0].Drivers[name]
		}
		return driver != nil && driver.Healthy
	}
	deadline := time.Now().Add(10 * time.Second) // drivers are looked for one after the other
	for !found() && time.Now().Before(deadline) {
		<-time.After(100 * time.Millisecond)
	}
	if driver == nil || !driver.Healthy {
		why := "it is not there"
		if driver != nil {
			why = driver.HealthDescription
		}
		t.Skipf("this agent runs no %s tasks: %s; %s", name, why, remedy)
	}
}

// notInALoop waits for three tries to launch a worker and fails if they came without rests between.
func (r *rig) notInALoop() {
	r.Helper()
	require.Eventually(r, func() bool { return len(r.allocations()) >= 3 }, 40*time.Second, 20*time.Millisecond, "there are no further tries")
	as := r.allocations()
	first, last := as[0].CreateTime, as[0].CreateTime
	for _, a := range as {
		first, last = min(first, a.CreateTime), max(last, a.CreateTime)
	}
	r.Logf("%d tries within %s", len(as), time.Duration(last-first).Round(10*time.Millisecond))
	require.Greater(r, time.Duration(last-first), 2500*time.Millisecond, "1 s and 2 s of rest")
}

// told starts a job that cannot run and waits until it says why.
func (r *rig) told(says string) {
	r.Helper()
	job := count.On(r.app)
	id, err := job.Start(r.Context(), 1)
	require.NoError(r, err)
	awaitReason(r.T, job, id, says)
}

func TestTheExecDriverRunsArtifacts(t *testing.T) {
	// Nothing of the node is in the task's root, which would take a while to fill.
	agent := nomadtest.Start(t, `client { chroot_env { "/etc/hostname" = "/etc/hostname" } }`)
	t.Cleanup(agent.Stop)
	needDriver(t, agent, "exec", "Nomad must be built with cgo and run as root on Linux, with cgroups")
	path := static(t)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	defer server.Close()
	right := nomad.Exec{Artifact: server.URL + "/program", Checksum: fmt.Sprintf("sha256:%x", sha256.Sum256(data))}
	with := func(e nomad.Exec) func(*nomad.Config) {
		return func(c *nomad.Config) {
			c.Program = e
			c.Edit = func(_ string, job *api.Job) { job.TaskGroups[0].Tasks[0].Env["HOME"] = "/" }
		}
	}
	t.Run("isolated", func(t *testing.T) {
		r := newRigAt(t, agent, with(right), secret)
		dir, err := secret.On(r.app).Call(t.Context(), "NOMAD_ALLOC_DIR")
		require.NoError(t, err)
		require.Equal(t, "/alloc", dir, "as it is within the task's root")
	})
	t.Run("another checksum", func(t *testing.T) {
		wrong := right
		wrong.Checksum = fmt.Sprintf("sha256:%x", sha256.Sum256(nil))
		r := newRigAt(t, agent, with(wrong), count)
		r.told("the artifact is another one than Checksum says: set the checksum that sha256sum prints for it")
		r.notInALoop()
	})
	t.Run("no artifact", func(t *testing.T) {
		missing := right
		missing.Artifact += "-missing"
		newRigAt(t, agent, with(missing), count).told("can the nodes reach the URL of Artifact?")
	})
	t.Run("no program", func(t *testing.T) {
		newRigAt(t, agent, with(nomad.Exec{Path: "/nowhere/program"}), count).told("the program is not where nomad.Config.Program says")
	})
}

// dockerHost is the Docker daemon's address. Without a daemon the test is skipped, or fails if
// MN_REQUIRE names docker.
func dockerHost(t *testing.T) string {
	t.Helper()
	skip := t.Skip
	if strings.Contains(os.Getenv("MN_REQUIRE"), "docker") {
		skip = t.Fatal
	}
	const remedy = "on Debian: apt-get install docker.io; DOCKER_HOST names a daemon that is not at its usual place"
	if _, err := exec.LookPath("docker"); err != nil {
		skip("no docker program; " + remedy)
	}
	out, err := exec.CommandContext(t.Context(), "docker", "version", "--format", "{{.Server.Version}}").CombinedOutput()
	if err != nil {
		skip(fmt.Sprintf("no Docker daemon answers (%s); start dockerd as root, %s", strings.TrimSpace(string(out)), remedy))
	}
	t.Logf("Docker %s", strings.TrimSpace(string(out)))
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	return "unix:///var/run/docker.sock"
}

// image makes an image of one file, which is its entry point, run by nobody. It goes with the test.
func image(t *testing.T, entry string, program []byte) (name string) {
	t.Helper()
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(program))}))
	_, err := w.Write(program)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	name = "mn-" + newPrefix() + ":test"
	cmd := exec.CommandContext(t.Context(), "docker", "import", "--change", "ENTRYPOINT ["+fmt.Sprintf("%q", entry)+"]", "--change", "USER 65532:65532", "-", name) //nolint:gosec // a fixed command
	cmd.Stdin = &root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() {
		out, err := exec.Command("docker", "image", "rm", "--force", name).CombinedOutput() //nolint:gosec // a fixed command
		require.NoError(t, err, "%s", out)
	})
	return name
}

func TestTheDockerDriverRunsImages(t *testing.T) {
	host := dockerHost(t)
	agent := nomadtest.Start(t, fmt.Sprintf(`plugin "docker" {
  config {
    endpoint = %q
    gc {
      image = false # the test's own
    }
  }
}`, host))
	t.Cleanup(agent.Stop)
	needDriver(t, agent, "docker", "see the agent's log")
	program, err := os.ReadFile(static(t))
	require.NoError(t, err)
	with := func(image string) func(*nomad.Config) {
		return func(c *nomad.Config) {
			c.Program = nomad.Docker{Image: image, Options: map[string]any{"network_mode": "host"}}
		}
	}
	t.Run("isolated", func(t *testing.T) {
		r := newRigAt(t, agent, with(image(t, "/program", program)), secret)
		dir, err := secret.On(r.app).Call(t.Context(), "NOMAD_ALLOC_DIR")
		require.NoError(t, err)
		require.Equal(t, "/alloc", dir, "as it is within the container")
		r.awaitNone()
	})
	t.Run("missing image", func(t *testing.T) {
		registry := httptest.NewServer(http.NotFoundHandler())
		defer registry.Close()
		r := newRigAt(t, agent, with(strings.TrimPrefix(registry.URL, "http://")+"/missing:1"), count)
		r.told("does the image of nomad.Docker exist, and may the nodes pull it?")
	})
	t.Run("image without the program", func(t *testing.T) {
		r := newRigAt(t, agent, with(image(t, "/other", program)), count)
		r.told("the program is not where nomad.Config.Program says: check its image")
		r.notInALoop()
	})
	t.Run("program of something else", func(t *testing.T) {
		r := newRigAt(t, agent, with(image(t, "/program", []byte("#!/nothing\n"))), count)
		r.told("ended with exit code 1")
	})
}

func TestAProgramThatCrashesAsItStartsIsToldToThoseWhoWait(t *testing.T) {
	r := newRig(t, func(c *nomad.Config) { c.Program = nomad.RawExec{Path: "/bin/false"} }, count)
	r.told("ended with exit code 1")
}
