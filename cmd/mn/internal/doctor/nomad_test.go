package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers are what a Nomad says, by path.
type answers map[string]any

// soundNomad has no faults.
func soundNomad() answers {
	return answers{
		"/v1/status/leader": "10.0.0.1:4647",
		"/v1/agent/self": map[string]any{
			"member": map[string]any{"Tags": map[string]string{"build": "1.11.2"}},
			"config": map[string]any{"Client": map[string]any{"Enabled": true, "MaxKillTimeout": "30s"}},
		},
		"/v1/acl/token/self": map[string]any{"Type": "client", "Policies": []string{"run"}},
		"/v1/acl/policy/run": policy("mn", "dispatch-job", "read-job", "read-logs", "alloc-lifecycle", "deregister-job"),
		"/v1/nodes":          []any{nodeOf(4000, 8192)},
		"/v1/job/mn--chess--search": map[string]any{
			"ID": "mn--chess--search", "ParameterizedJob": map[string]any{},
			"TaskGroups": []any{map[string]any{"Tasks": []any{map[string]any{"Name": "worker", "KillTimeout": 30_000_000_000}}}},
		},
	}
}

func policy(namespace string, capabilities ...string) any {
	return map[string]any{"Name": "run", "RulesJSON": map[string]any{
		"Namespaces": []any{map[string]any{"Name": namespace, "Capabilities": capabilities}},
	}}
}

func nodeOf(mhz, memory int) map[string]any {
	return map[string]any{
		"Status": "ready", "SchedulingEligibility": "eligible", "Version": "1.11.2",
		"NodeResources": map[string]any{"Cpu": map[string]any{"CpuShares": mhz}, "Memory": map[string]any{"MemoryMB": memory}},
	}
}

// examine checks a Nomad that gives the answers; a path without one is forbidden, nil is not found.
func examine(t *testing.T, a answers) map[string]Result {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch value, known := a[r.URL.Path]; {
		case !known:
			http.Error(w, "Permission denied", http.StatusForbidden)
		case value == nil:
			http.Error(w, "job not found", http.StatusNotFound)
		default:
			if text, ok := value.(error); ok {
				http.Error(w, text.Error(), http.StatusBadRequest)
				return
			}
			_ = json.NewEncoder(w).Encode(value)
		}
	}))
	defer server.Close()
	n, err := NewNomad(server.URL, "mn", "token")
	require.NoError(t, err)
	defer n.Client.Close()
	n.App = "chess"
	n.Definitions = []mn.DefinitionInfo{{Name: "search", Declared: true, CPU: 2, Memory: mn.GiB}}
	results := make(map[string]Result)
	CheckNomad(t.Context(), n, func(r Result) { results[r.Check] = r })
	return results
}

func TestDoctorIsContentWithASoundNomad(t *testing.T) {
	results := examine(t, soundNomad())
	require.Len(t, results, len(NomadChecks))
	for name, r := range results {
		require.Equal(t, OK, r.Level, "%s: %s", name, r.Found)
	}
}

type badRequest string

func (b badRequest) Error() string { return string(b) }

func TestDoctorFindsFaultsOfNomad(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(a answers)
		check string
		level Level
		says  string
	}{
		{"no leader", func(a answers) { a["/v1/status/leader"] = "" }, "nomad-reach", Fail, "no leader"},
		{"old", func(a answers) {
			a["/v1/agent/self"] = map[string]any{"member": map[string]any{"Tags": map[string]string{"build": "1.10.5+ent"}}}
		}, "nomad-version", Note, "1.10.5"},
		{"version by nodes", func(a answers) { delete(a, "/v1/agent/self") }, "nomad-version", OK, "1.11.2"},
		{"token unknown", func(a answers) { delete(a, "/v1/acl/token/self") }, "nomad-rights", Fail, "unknown or has expired"},
		{"no ACLs", func(a answers) { a["/v1/acl/token/self"] = badRequest("ACL support disabled") }, "nomad-rights", Note, "ACLs are off"},
		{"management", func(a answers) { a["/v1/acl/token/self"] = map[string]any{"Type": "management"} }, "nomad-rights", Note, "everything"},
		{"other namespace", func(a answers) { a["/v1/acl/policy/run"] = policy("default", "dispatch-job", "read-job") }, "nomad-rights", Fail, "lacks dispatch-job, read-job"},
		{"no logs", func(a answers) {
			a["/v1/acl/policy/run"] = policy("m*", "dispatch-job", "read-job", "alloc-lifecycle", "submit-job")
		}, "nomad-rights", Warn, "lacks read-logs"},
		{"no nodes", func(a answers) { a["/v1/nodes"] = []any{} }, "nomad-nodes", Fail, "none of 0"},
		{"draining", func(a answers) {
			node := nodeOf(4000, 8192)
			node["Drain"] = true
			a["/v1/nodes"] = []any{node}
		}, "nomad-nodes", Fail, "none of 1"},
		{"nodes hidden", func(a answers) { delete(a, "/v1/nodes") }, "nomad-nodes", Skipped, "may not read nodes"},
		{"small CPU", func(a answers) { a["/v1/nodes"] = []any{nodeOf(3999, 8192)} }, "nomad-resources", Fail, `"search" asks for`},
		{"small memory", func(a answers) { a["/v1/nodes"] = []any{nodeOf(4000, 1023)} }, "nomad-resources", Fail, `"search" asks for`},
		{"not registered", func(a answers) { a["/v1/job/mn--chess--search"] = nil }, "nomad-jobs", Warn, "mn--chess--search"},
		{"foreign", func(a answers) { a["/v1/job/mn--chess--search"] = map[string]any{"ID": "x"} }, "nomad-jobs", Fail, "none of mn"},
		{"stopped", func(a answers) {
			a["/v1/job/mn--chess--search"] = map[string]any{"ID": "x", "ParameterizedJob": map[string]any{}, "Stop": true}
		}, "nomad-jobs", Fail, "is stopped"},
		{"hasty job", func(a answers) {
			a["/v1/job/mn--chess--search"] = map[string]any{
				"ID": "x", "ParameterizedJob": map[string]any{},
				"TaskGroups": []any{map[string]any{"Tasks": []any{map[string]any{"KillTimeout": 5_000_000_000}}}},
			}
		}, "nomad-kill-timeout", Warn, "5s"},
		{"hasty client", func(a answers) {
			a["/v1/agent/self"] = map[string]any{"config": map[string]any{"Client": map[string]any{"Enabled": true, "MaxKillTimeout": "10s"}}}
		}, "nomad-kill-timeout", Warn, "10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := soundNomad()
			c.spoil(a)
			r := examine(t, a)[c.check]
			require.Equal(t, c.level, r.Level, "%+v", r)
			require.Contains(t, r.Found, c.says)
			require.Equal(t, r.Level == OK || r.Level == Skipped, r.Remedy == "", "%+v", r)
		})
	}
}

func TestDoctorWithoutANomad(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	n, err := NewNomad(server.URL, "", "")
	require.NoError(t, err)
	defer n.Client.Close()
	var results []Result
	CheckNomad(context.Background(), n, func(r Result) { results = append(results, r) })
	require.Len(t, results, 1)
	require.Equal(t, Fail, results[0].Level)
	_, err = NewNomad("://", "", "")
	require.ErrorContains(t, err, "must be like http://host:4646")
	require.False(t, strings.Contains(err.Error(), "token"))
}

func TestTheMostSpecificRuleOfAPolicyHolds(t *testing.T) {
	rules := []namespaceRule{{Name: "*", Policy: "write"}, {Name: "mn-*"}, {Name: "mn-prod"}}
	for namespace, want := range map[string]string{"mn-prod": "mn-prod", "mn-test": "mn-*", "other": "*"} {
		for _, order := range [][]namespaceRule{rules, {rules[2], rules[1], rules[0]}} {
			got := ruling(order, namespace)
			require.Len(t, got, 1)
			require.Equal(t, want, got[0].Name)
		}
	}
}
