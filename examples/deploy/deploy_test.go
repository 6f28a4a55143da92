// Package deploy has what runs the examples on a Nomad cluster; README.md says how. Its tests do the
// same on a real agent with access control.
package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"go.uber.org/goleak"

	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secured starts an agent with access control.
func secured(t *testing.T) *nomadtest.Agent {
	t.Helper()
	a := nomadtest.Start(t, "acl {\n  enabled = true\n}\n")
	t.Cleanup(a.Stop)
	return a
}

// build compiles an example.
func build(t *testing.T, example string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), example)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../"+example) //nolint:gosec // a fixed command
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// program is an example with the variables added to a clean environment. It is interrupted when ctx ends.
func program(ctx context.Context, path string, env []string, args ...string) (cmd *exec.Cmd, output *bytes.Buffer) {
	cmd, output = exec.CommandContext(ctx, path, args...), new(bytes.Buffer) //nolint:gosec // what was just built
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Stdout, cmd.Stderr = output, output
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NOMAD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd, output
}

// runBound is how long an example may take.
const runBound = 2 * time.Minute

// run runs an example to its end and returns what it prints.
func run(t *testing.T, path string, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runBound)
	defer cancel()
	cmd, output := program(ctx, path, env, args...)
	if err := cmd.Run(); err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(path), strings.Join(args, " "), err, output)
	}
	return output.String()
}

// wait waits until a state holds.
func wait(t *testing.T, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(bound), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("after %s still not: %s", bound, what)
		}
	}
}

// policy reads a policy of this folder.
func policy(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name + ".policy.hcl")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// workers are the allocations of mn's jobs.
func workers(t *testing.T, a *nomadtest.Agent) (all []*api.AllocationListStub) {
	t.Helper()
	stubs, _, err := a.Client.Allocations().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stubs {
		if strings.HasPrefix(s.JobID, "mn--") {
			all = append(all, s)
		}
	}
	return all
}

// noneLives waits until no worker is left.
func noneLives(t *testing.T, a *nomadtest.Agent) {
	t.Helper()
	wait(t, time.Minute, "no worker lives", func() bool {
		for _, s := range workers(t, a) {
			if s.ClientStatus == api.AllocClientStatusRunning || s.ClientStatus == api.AllocClientStatusPending {
				return false
			}
		}
		return true
	})
}

func TestTheFilesAreFormattedAndValid(t *testing.T) {
	a := nomadtest.Start(t, "")
	defer a.Stop()
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		a.CLI(t, ".", "fmt", "-check", file)
		if strings.HasSuffix(file, ".nomad.hcl") {
			for _, program := range []string{"image=registry.example/program:1", "command=/usr/local/bin/program"} {
				if out := a.CLI(t, ".", "job", "validate", "-var", program, file); !strings.Contains(out, "Job validation successful") || strings.Contains(out, "Warning") {
					t.Errorf("%s with %s:\n%s", file, program, out)
				}
			}
		}
	}
}

// cooldown is short, so that the tests see workers leave.
const cooldown = "2s"

func TestTheRecipeWithTheRightsOfThePolicies(t *testing.T) {
	nomadtest.Binary(t)
	url := redistest.Start(t)
	a, chess := secured(t), build(t, "chess")
	deployer := []string{"NOMAD_ADDR=" + a.URL, "NOMAD_TOKEN=" + a.Token(t, "mn-deployer", policy(t, "deployer")), "REDIS_URL=" + url}
	deploy := []string{"-redis", "env:REDIS_URL", "-workers", "nomad", "-cooldown", cooldown, "-role", "deploy"}
	client := func() string {
		return run(t, chess, nil, "-redis", url, "-workers", "none", "-moves", "1", "-nodes", "400")
	}
	schedule := []string{"job", "run", "-var", "command=" + chess, "-var", `args=["-cooldown", "` + cooldown + `"]`}
	apply := func(job, name, file string) {
		a.CLI(t, ".", "acl", "policy", "apply", "-namespace", "default", "-job", job, name, file)
	}

	a.CLI(t, ".", "var", "put", "nomad/jobs", "redis_url="+url)
	run(t, chess, deployer, deploy...)
	apply("chess-scheduler", "mn-scheduler", "scheduler.policy.hcl")
	a.CLI(t, ".", append(schedule, "scheduler.nomad.hcl")...)
	if out := client(); !strings.Contains(out, "1 of 1 move") {
		t.Errorf("printed\n%s", out)
	}
	if n := len(workers(t, a)); n < 7 {
		t.Errorf("%d workers, want one for the job, one to prepare and five to search", n)
	}
	a.CLI(t, ".", "job", "stop", "-purge", "chess-scheduler")
	noneLives(t, a)

	t.Run("with secrets that only mn's jobs may read", func(t *testing.T) {
		a.CLI(t, ".", "var", "put", "mn/chess", "redis_url="+url)
		a.CLI(t, ".", "var", "purge", "nomad/jobs")
		run(t, chess, deployer, append(deploy, "-secrets", "mn/chess")...)
		apply("chess-scheduler", "mn-worker-scheduler", "worker.policy.hcl")
		a.CLI(t, ".", append(schedule, "-var", "secrets=mn/chess", "scheduler.nomad.hcl")...)
		known := len(workers(t, a))
		printed := make(chan string, 1)
		go func() { printed <- client() }()
		wait(t, time.Minute, "a worker waits for the Variable that it may not read", func() bool {
			for _, s := range workers(t, a) {
				if ts := s.TaskStates["worker"]; ts != nil && ts.State == "pending" && strings.Contains(last(ts), "Missing: nomad.var.block(mn/chess@default.global)") {
					return true
				}
			}
			return false
		})
		for _, job := range []string{"next-moves", "preprocess", "suggest-move"} {
			apply("mn--chess--"+job, "mn-worker-"+job, "worker.policy.hcl")
		}
		if out := <-printed; !strings.Contains(out, "1 of 1 move") {
			t.Errorf("printed\n%s", out)
		}
		if n := len(workers(t, a)) - known; n < 7 {
			t.Errorf("%d workers, want seven", n)
		}
		a.CLI(t, ".", "job", "stop", "-purge", "chess-scheduler")
		noneLives(t, a)
	})
}

// last is what a task does.
func last(ts *api.TaskState) string {
	if len(ts.Events) == 0 {
		return ""
	}
	return ts.Events[len(ts.Events)-1].DisplayMessage
}

func TestTheServiceJobServesAndItsSchedulerLaunches(t *testing.T) {
	nomadtest.Binary(t)
	url := redistest.Start(t)
	a, service := secured(t), build(t, "service")
	a.CLI(t, ".", "var", "put", "nomad/jobs", "redis_url="+url)
	at := []string{"-redis", url, "-nomad", a.URL}
	run(t, service, []string{"NOMAD_TOKEN=" + a.Token(t, "mn-deployer", policy(t, "deployer"))}, append(at, "-role", "deploy")...)
	scheduler, said := program(t.Context(), service, []string{"NOMAD_TOKEN=" + a.Token(t, "mn-scheduler", policy(t, "scheduler"))}, append(at, "-role", "schedule")...)
	if err := scheduler.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = scheduler.Process.Signal(os.Interrupt)
		if err := scheduler.Wait(); err != nil {
			t.Errorf("the scheduler: %v\n%s", err, said)
		}
	}()
	a.CLI(t, ".", "job", "run", "-var", "command="+service, "service.nomad.hcl")
	instances, _, err := a.Client.Services().Get("word-count", nil)
	if err != nil || len(instances) != 2 {
		t.Fatalf("%d instances: %v", len(instances), err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	started := request(t, http.MethodPost, jobsOf(instances[0]), `{"documents": [{"name": "a", "text": "to be or not to be"}]}`)
	id, _ := started["id"].(string)
	wait(t, time.Minute, "the other instance says that the job has succeeded", func() bool {
		return request(t, http.MethodGet, jobsOf(instances[1])+"/"+id, "")["status"] == "SUCCEEDED"
	})
	if len(workers(t, a)) < 2 {
		t.Error("no workers were launched")
	}
}

// jobsOf is the URL of an instance's jobs.
func jobsOf(s *api.ServiceRegistration) string {
	return "http://" + s.Address + ":" + strconv.Itoa(s.Port) + "/jobs"
}

// request talks to the service.
func request(t *testing.T, method, url, body string) (answer map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s: %v %s", method, url, resp.Status, err, text)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return answer
}
