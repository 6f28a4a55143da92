package nomad_test

import (
	"context"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/provisioner/nomad"
)

// policy reads a policy of examples/deploy, which is the very text that the documentation shows.
func policy(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../examples/deploy/" + name + ".policy.hcl")
	require.NoError(t, err)
	rules := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(text), "")
	docs, err := os.ReadFile("../../docs/nomad.md")
	require.NoError(t, err)
	require.Contains(t, string(docs), "```hcl\n"+rules+"```", "docs/nomad.md shows another policy %q", name)
	return string(text)
}

// documentedVariable is the path of the Variable in the documentation's examples, which all share.
func documentedVariable(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/nomad.md")
	require.NoError(t, err)
	examples := regexp.MustCompile(`nomad var put (\S+)|Path: "(nomad/jobs[^"]*)", Key`).FindAllSubmatch(text, -1)
	require.Len(t, examples, 2)
	path := string(examples[0][1]) + string(examples[0][2])
	require.Equal(t, path, string(examples[1][1])+string(examples[1][2]))
	return path
}

func TestTheDocumentedPoliciesAreEnoughAndNoMore(t *testing.T) {
	secured := nomadtest.Start(t, "acl {\n  enabled = true\n}\n")
	t.Cleanup(secured.Stop)
	deploy, run := secured.Token(t, "deploy", policy(t, "deployer")), secured.Token(t, "run", policy(t, "scheduler"))
	weak := secured.Token(t, "weak", `namespace "default" { capabilities = ["dispatch-job", "read-job"] }`)

	r := newRigAt(t, secured, func(c *nomad.Config) { c.Token = run; c.PlacementTimeout = 500 * time.Millisecond }, pid, crash, deaf, greedy, count)
	job := greedy.On(r.app)
	id, err := job.Start(t.Context(), 1)
	require.NoError(t, err)
	awaitReason(t, job, id, "run app.Deploy first") // nothing is registered yet
	require.NoError(t, job.Cancel(t.Context(), id))

	deployer := r.config
	deployer.Token = deploy
	app, b, err := newApp(t, r.url, "app", nomad.New(deployer), pid, crash, deaf, greedy, count)
	require.NoError(t, err)
	require.NoError(t, app.Deploy(t.Context()))
	require.NoError(t, app.Close())
	require.NoError(t, b.Close())

	t.Run("run", func(t *testing.T) {
		require.NoError(t, r.app.Deploy(t.Context()), "what is registered already needs no right")
		_, err := pid.On(r.app).Call(t.Context(), 0)
		require.NoError(t, err)
		_, err = crash.On(r.app).Call(t.Context(), 3)
		require.ErrorContains(t, err, "ended with exit code 3: first line\ncrashing on purpose")
		id, err := job.Start(t.Context(), 1)
		require.NoError(t, err)
		awaitReason(t, job, id, "no capacity for 1000 CPU")
		require.NoError(t, job.Cancel(t.Context(), id))
		require.Eventually(t, func() bool {
			stubs, _, err := secured.Client.Jobs().PrefixList(r.config.Prefix + "--app--greedy/")
			require.NoError(t, err)
			for _, s := range stubs {
				if !s.Stop {
					return false
				}
			}
			return len(stubs) > 0
		}, 20*time.Second, 50*time.Millisecond, "not withdrawn")
	})
	t.Run("secret", func(t *testing.T) {
		c := r.config
		c.Prefix, c.StartTimeout = newPrefix(), 10*time.Second
		c.Secrets = []nomad.Secret{{Env: "TOP_SECRET", Path: documentedVariable(t), Key: "top"}}
		_, _, err := secured.Client.Variables().Create(&api.Variable{Path: c.Secrets[0].Path, Items: map[string]string{"top": "known"}}, nil)
		require.NoError(t, err)
		with := func(token string) (*mn.App, func()) {
			c.Token = token
			app, b, err := newApp(t, r.url, "app", nomad.New(c), secret)
			require.NoError(t, err)
			require.NoError(t, app.Deploy(t.Context()))
			return app, func() {
				require.NoError(t, app.Close())
				require.NoError(t, b.Close())
			}
		}
		_, end := with(deploy)
		end()
		app, end := with(run)
		defer end()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		s, err := secret.On(app).Call(ctx, "TOP_SECRET")
		require.NoError(t, err, "the worker does not start, or not with the Variable")
		require.Equal(t, "known", s)
	})
	t.Run("run may register nothing", func(t *testing.T) {
		other := r.config
		other.Args = []string{"-another"}
		app, b, err := newApp(t, r.url, "app", nomad.New(other), pid)
		require.NoError(t, err)
		err = app.Deploy(t.Context())
		require.ErrorContains(t, err, "submit-job for app.Deploy")
		require.NotContains(t, err.Error(), run)
		require.NoError(t, app.Close())
		require.NoError(t, b.Close())
	})
	t.Run("none", func(t *testing.T) {
		c := r.config
		c.Token = "11111111-2222-3333-4444-555555555555"
		app, b, err := newApp(t, r.url, "app", nomad.New(c), count)
		require.NoError(t, err)
		require.ErrorContains(t, app.Deploy(t.Context()), "the token of NOMAD_TOKEN or Config.Token is unknown, expired")
		require.NoError(t, app.Close())
		require.NoError(t, b.Close())
	})
	t.Run("weak", func(t *testing.T) {
		require.NoError(t, r.app.Close()) // which would see the ends as well
		c := r.config
		c.Token = weak
		app, b, err := newApp(t, r.url, "app", nomad.New(c), crash)
		require.NoError(t, err)
		_, err = crash.On(app).Call(t.Context(), 3)
		require.ErrorIs(t, err, mn.ErrWorkerLost)
		require.ErrorContains(t, err, "exit code 3 (its output is not shown: the token lacks read-logs)")
		require.NoError(t, app.Close())
		require.NoError(t, b.Close())
	})
}
