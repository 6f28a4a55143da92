package nomad

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/multinode/mn/provisioner"
)

func TestFaultsOfTheConfigurationAreAllReported(t *testing.T) {
	sum := "sha256:" + strings.Repeat("0", 64)
	for says, cfg := range map[string]Config{
		"Config.Program is missing: use nomad.Docker{":   {},
		"Docker.Image is missing":                        {Program: Docker{}},
		`Docker.Options["image"]: use Docker.Image`:      {Program: Docker{Image: "x", Options: map[string]any{"image": "y"}}},
		"Exec needs a Path on the nodes, or an Artifact": {Program: Exec{}},
		`the checksum "" of http://x/y`:                  {Program: Exec{Artifact: "http://x/y"}},
		`the checksum "sha256:00"`:                       {Program: RawExec{Artifact: "http://x/y", Checksum: "sha256:00"}},
		"the artifact http://x/ has no file name":        {Program: Exec{Artifact: "http://x/", Checksum: sum}},
		"the artifact's URL holds a password":            {Program: Exec{Artifact: "http://u:p@x/y", Checksum: sum}},
		"the artifact's URL holds a password, which":     {Program: RawExec{Artifact: "s3::https://u:hunter2@x/y?a=b", Checksum: sum}},
		`the artifact s3::https://x/y holds a secret in "aws_access_key_secret" of its query, which everybody who may read jobs would see: let the nodes`: {
			Program: Exec{Artifact: "s3::https://x/y?aws_access_key_id=a&aws_access_key_secret=hunter2", Checksum: sum},
		},
		`holds a secret in "sshkey" of its query`:                  {Program: RawExec{Artifact: "git@github.com:a/b?sshkey=hunter2", Checksum: sum}},
		`the checksum "" of http://x/z: use`:                       {Program: Exec{Artifact: "http://x/z?sig=hunter2"}},
		`Docker.Options["auth"] holds a password, which everybody`: {Program: Docker{Image: "x", Options: map[string]any{"auth": map[string]any{"username": "u", "password": "hunter2"}}}},
		`or put it into a Nomad Variable, name that`:               {Program: Docker{Image: "x", Options: map[string]any{"auth": []map[string]string{{"Password": "hunter2"}}}}},
		`Config.Prefix "a.b"`:                                      {Program: RawExec{}, Prefix: "a.b"},
		`Config.Namespace "*"`:                                     {Program: RawExec{}, Namespace: "*"},
		"Config.Args[1] holds a password":                          {Program: RawExec{}, Args: []string{"-x", "-redis=redis://:hunter2@h:1/0"}},
		"Config.Args[0] holds a password":                          {Program: RawExec{}, Args: []string{"DSN=redis://u:hunter2@h"}},
		"Config.Args[0] holds a password, which":                   {Program: RawExec{}, Args: []string{"-x=--dsn=redis://u:hunter2@h?a=b"}},
		`Config.Env["URL"] holds a password`:                       {Program: RawExec{}, Env: map[string]string{"URL": "redis://u:hunter2@h"}},
		"Config.Secrets[0]: Env and Key":                           {Program: RawExec{}, Secrets: []Secret{{Env: "A", Path: "a.b", Key: "k"}}},
		`Config.Env[""]: use letters`:                              {Program: RawExec{}, Env: map[string]string{"": "x"}},
		`Config.Env["BAD NAME"]: use letters`:                      {Program: RawExec{}, Env: map[string]string{"BAD NAME": "x"}},
		`Config.Env["MN_WORKER"] is mn's own`:                      {Program: RawExec{}, Env: map[string]string{"MN_WORKER": "x"}},
		`Config.Secrets[0]: Env "MN_WORKER" is mn's own`:           {Program: RawExec{}, Secrets: []Secret{{Env: "MN_WORKER", Path: "nomad/jobs", Key: "k"}}},
		"Config.Placement.MemoryMax -5 must not be":                {Program: RawExec{}, Placement: Placement{MemoryMax: -5}},
		`Config.Pools["train"].MemoryMax -5 must not be`:           {Program: RawExec{}, Pools: map[string]Placement{"train": {MemoryMax: -5}}},
		"must not be negative":                                     {Program: RawExec{}, DispatchRate: -1},
		`address "localhost:4646": use a URL`:                      {Program: RawExec{}, Address: "localhost:4646"},
		"NOMAD_CLIENT_CERT":                                        {Program: RawExec{}, TLS: &api.TLSConfig{ClientCert: "/nowhere", ClientKey: "/nowhere"}},
		"Config.Prefix \"a.b\": use letters, digits, '_' and single '-'\nConfig.Program is missing": {Prefix: "a.b"},
	} {
		err := New(cfg).Open("app", nil)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.False(t, hasPassword("redis://:${NOMAD_META_x}@h"), "a variable of Nomad's is no password")
	for _, program := range []Program{
		Docker{Image: "x", Options: map[string]any{"auth": map[string]any{"username": "u", "password": "${REGISTRY_PASSWORD}"}}},
		Exec{Path: "y", Artifact: "s3::https://x/y?region=eu&aws_access_key_id=a", Checksum: sum},
	} {
		require.NoError(t, program.check())
	}
}

func TestProgramsAreWrittenWithoutTheirSecrets(t *testing.T) {
	for shown, program := range map[string]Program{
		`nomad.Docker{Image: "img"}`: Docker{Image: "img", Options: map[string]any{"auth": map[string]any{"password": "hunter2"}}},
		`nomad.Exec{Path: "bin/x", Artifact: "s3::https://u:xxxxx@h/x.tar"}`: Exec{
			Path: "bin/x", Artifact: "s3::https://u:hunter2@h/x.tar?aws_access_key_secret=hunter2",
		},
		`nomad.RawExec{Path: "", Artifact: "https://u:xxxxx@h/x"}`: RawExec{Artifact: "https://u:hunter2@h/x?token=hunter2"},
		`nomad.RawExec{Path: "", Artifact: "[redacted]"}`:          RawExec{Artifact: "git@h:hunter2/b?sshkey=hunter2"},
		`nomad.RawExec{Path: "/x"}`:                                RawExec{Path: "/x"},
	} {
		cfg := Config{Program: program}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", cfg, "program", program)
		text := fmt.Sprintf("%v %+v %#v %s %v %+v %#v", cfg, cfg, cfg, program, program, program, program)
		require.NotContains(t, text+log.String(), "hunter2")
		require.Equal(t, 7, strings.Count(text, shown), text)
	}
}

func TestTheEnvironmentNamesTheCluster(t *testing.T) {
	c := newCluster(t)
	t.Setenv("NOMAD_ADDR", c.URL)
	t.Setenv("NOMAD_TOKEN", "from-env")
	t.Setenv("NOMAD_NAMESPACE", "team")
	t.Setenv("NOMAD_REGION", "moon")
	p, _ := c.open(t, func(cfg *Config) { cfg.Address = "" })
	require.NoError(t, p.Deploy(t.Context(), pools))
	c.mu.Lock()
	require.Equal(t, "from-env", c.headers.Get("X-Nomad-Token"))
	require.Equal(t, "team", c.query.Get("namespace"))
	require.Equal(t, "moon", c.query.Get("region"))
	require.Equal(t, "team", *c.jobs["mn--app--pool"].Namespace)
	require.Equal(t, "moon", *c.jobs["mn--app--pool"].Region)
	c.mu.Unlock()
	q, _ := c.open(t, func(cfg *Config) { cfg.Token, cfg.Namespace, cfg.Region = "mine", "own", "sun" })
	require.NoError(t, q.Deploy(t.Context(), pools))
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(t, "mine", c.headers.Get("X-Nomad-Token"))
	require.Equal(t, "own", c.query.Get("namespace"))
	require.Equal(t, "sun", c.query.Get("region"))
}

func TestTheTokenIsNeverWritten(t *testing.T) {
	const token = "a1b2-token"
	cfg := Config{Address: "https://u:hunter2@nomad:4646", Token: token, Program: RawExec{}}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", cfg)
	for _, text := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %s", cfg, cfg, cfg), log.String()} {
		require.NotContains(t, text, token)
		require.NotContains(t, text, "hunter2")
		require.Contains(t, text, redacted)
	}
	p := New(cfg)
	require.Equal(t, "bad token [redacted]!", p.clean("bad \x1btoken "+token+"!"))
	require.LessOrEqual(t, len(p.clean(strings.Repeat("x", 1<<20))), longestNote+3)
}

func TestTheJobIsWhatTheDefinitionAndTheConfigurationSay(t *testing.T) {
	cfg := Config{
		Program: Docker{Image: "img@sha256:1", Command: "/mn", Options: map[string]any{"network_mode": "host"}},
		Args:    []string{"-a"}, Env: map[string]string{"K": "v"},
		Secrets: []Secret{{Env: "URL", Path: "nomad/jobs/x", Key: "url"}},
		Placement: Placement{
			Datacenters: []string{"dc9"}, NodePool: "cpu", MemoryMax: 1 << 30,
			Constraints: []*api.Constraint{api.NewConstraint("${attr.cpu.arch}", "=", "arm64")},
		},
		Pools: map[string]Placement{"big": {
			NodePool: "gpu", Cores: true, Devices: []*api.RequestedDevice{{Name: "nvidia/gpu", Count: ptr(uint64(1))}},
		}},
		Edit: func(_ string, job *api.Job) {
			job.Priority = ptr(70)
			job.ID, job.ParameterizedJob, job.TaskGroups[0].Tasks[0].Env[provisioner.WorkerVariable] = ptr("x"), nil, "x"
		},
	}
	cfg.setDefaults()
	require.NoError(t, cfg.check())
	s, err := cfg.newSpec("app", "small", provisioner.Resources{CPU: 0.1, Memory: 256<<20 + 1})
	require.NoError(t, err)
	task := s.job.TaskGroups[0].Tasks[0]
	require.Equal(t, "mn--app--small", *s.job.ID)
	require.Equal(t, []string{metaSlot}, s.job.ParameterizedJob.MetaRequired)
	require.Equal(t, map[string]string{"K": "v", "MN_WORKER": "small/${NOMAD_META_mn_slot}"}, task.Env)
	require.Equal(t, map[string]any{"image": "img@sha256:1", "command": "/mn", "network_mode": "host", "args": []string{"-a"}}, task.Config)
	require.Equal(t, 200, *task.Resources.CPU)
	require.Equal(t, 257, *task.Resources.MemoryMB)
	require.Equal(t, 1024, *task.Resources.MemoryMaxMB)
	require.Equal(t, 70, *s.job.Priority)
	require.Equal(t, "cpu", *s.job.NodePool)
	require.Equal(t, []string{"dc9"}, s.job.Datacenters)
	require.Zero(t, *s.job.TaskGroups[0].RestartPolicy.Attempts)
	require.Zero(t, *s.job.TaskGroups[0].ReschedulePolicy.Attempts)
	require.False(t, *s.job.TaskGroups[0].Disconnect.Replace)
	require.Equal(t, "SIGTERM", task.KillSignal)
	require.Equal(t, "{{ with nomadVar \"nomad/jobs/x\" }}URL={{ .url.Value | toJSON }}{{ end }}\n", *task.Templates[0].EmbeddedTmpl)

	big, err := cfg.newSpec("app", "big", provisioner.Resources{CPU: 4, Memory: 2 << 30})
	require.NoError(t, err)
	res := big.job.TaskGroups[0].Tasks[0].Resources
	require.Equal(t, 4, *res.Cores)
	require.Nil(t, res.CPU)
	require.Nil(t, res.MemoryMaxMB, "it has more already")
	require.Equal(t, "nvidia/gpu", res.Devices[0].Name)
	require.Equal(t, "gpu", *big.job.NodePool)
	require.Len(t, big.job.Constraints, 1, "those of Placement stay")

	again, err := cfg.newSpec("app", "big", provisioner.Resources{CPU: 4, Memory: 2 << 30})
	require.NoError(t, err)
	require.Equal(t, big.hash, again.hash)
	require.NotEqual(t, big.hash, s.hash)
	text, err := json.Marshal(big.job)
	require.NoError(t, err)
	require.Contains(t, string(text), big.hash)

	cfg.Edit = func(_ string, job *api.Job) { job.TaskGroups = nil }
	_, err = cfg.newSpec("app", "big", provisioner.Resources{})
	require.ErrorContains(t, err, `Config.Edit has removed the task "worker" of "big"`)
}

func TestJobIDsAreLegalAndDiffer(t *testing.T) {
	require.Equal(t, "mn--chess--suggest-move", JobID("", "chess", "suggest-move"))
	require.Equal(t, "x--a_b-"+JobID("x", "a.b", "p")[len("x--a_b-"):], JobID("x", "a.b", "p"))
	name := rapid.StringMatching(`[A-Za-z0-9_.-]{1,128}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c, d := name.Draw(t, "a"), name.Draw(t, "b"), name.Draw(t, "c"), name.Draw(t, "d")
		one, two := JobID("", a, b), JobID("", c, d)
		if (a != c || b != d) == (one == two) {
			t.Fatalf("%q %q: %s, %q %q: %s", a, b, one, c, d, two)
		}
		if !legalPath.MatchString("nomad/jobs/" + one + "/worker/worker") {
			t.Fatalf("%q is not legal in the path of a Variable", one)
		}
		slot := rapid.String().Draw(t, "slot")
		child := childPrefix(one, slot) + "-1795622743-cf1806be"
		if prefixOf(child) != childPrefix(one, slot) {
			t.Fatalf("%q is not recognized: %q", child, prefixOf(child))
		}
	})
	for _, bad := range []string{"", "x", "a-b-c", "mn--a--b/dispatch-", "a/periodic-1-2"} {
		require.Empty(t, prefixOf(bad))
	}
}

func TestDispatchesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := newPace(20)
		for range 120 {
			require.True(t, p.wait(t.Context()))
		}
		require.InDelta(t, 5, time.Since(begin).Seconds(), 0.001, "20 at once, then 20 a second")
		time.Sleep(time.Hour) //nolint:forbidigo // synctest clock
		begin = time.Now()
		for range 21 {
			p.wait(t.Context())
		}
		require.Equal(t, 50*time.Millisecond, time.Since(begin), "an hour's rest allows no more than 20 at once")
	})
}
