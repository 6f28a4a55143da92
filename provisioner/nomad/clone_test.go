package nomad

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/provisioner"
)

// What Config.Edit does to one pool's job shows neither in the configuration nor in other jobs.
func TestEditsOfOneJobDoNotReachOthers(t *testing.T) {
	config := func() Config {
		constraints := make([]*api.Constraint, 1, 8) // room to append in place
		constraints[0] = api.NewConstraint("${attr.kernel.name}", "=", "linux")
		return Config{
			Region: "moon", Namespace: "team", KillTimeout: 10 * time.Second, Args: []string{"-a"}, Env: map[string]string{"K": "v"},
			Program: Docker{Image: "img", Options: map[string]any{
				"volumes": []string{"/a:/a"}, "logging": map[string]any{"config": []any{map[string]any{"tag": "t"}}},
			}},
			Secrets: []Secret{{Env: "URL", Path: "nomad/jobs", Key: "url"}},
			Placement: Placement{
				Datacenters: []string{"dc1"}, NodePool: "cpu", Constraints: constraints,
				Devices: []*api.RequestedDevice{{
					Name: "gpu", Count: ptr(uint64(1)),
					Constraints: []*api.Constraint{api.NewConstraint("${device.attr.memory}", ">=", "2 GiB")},
					Affinities:  []*api.Affinity{api.NewAffinity("${device.attr.memory}", ">=", "4 GiB", 50)},
				}},
			},
		}
	}
	cfg := config()
	spoil := func(pool string, job *api.Job) {
		job.Constraints = append(job.Constraints, api.NewConstraint("${meta.pool}", "=", pool))
		job.Constraints[0].RTarget += pool
		*job.Region, *job.Namespace, *job.NodePool, job.Datacenters[0] = pool, pool, pool, pool
		task := job.TaskGroups[0].Tasks[0]
		*task.KillTimeout *= 2
		device := task.Resources.Devices[0]
		device.Name, *device.Count = pool, 7
		device.Constraints[0].RTarget, *device.Affinities[0].Weight = pool, 1
		task.Config["volumes"].([]string)[0] = pool
		task.Config["logging"].(map[string]any)["config"].([]any)[0].(map[string]any)["tag"] = pool
		task.Env["K"] = pool
	}
	cfg.Edit = spoil
	r := provisioner.Resources{CPU: 1, Memory: 1 << 30}
	first, err := cfg.newSpec("app", "first", r)
	require.NoError(t, err)
	second, err := cfg.newSpec("app", "second", r)
	require.NoError(t, err)
	require.Len(t, first.job.Constraints, 2)
	require.Equal(t, "first", first.job.Constraints[1].RTarget)
	require.Equal(t, "linuxfirst", first.job.Constraints[0].RTarget)
	require.Equal(t, "linuxsecond", second.job.Constraints[0].RTarget)
	require.Equal(t, 20*time.Second, *first.job.TaskGroups[0].Tasks[0].KillTimeout)
	require.Equal(t, 20*time.Second, *second.job.TaskGroups[0].Tasks[0].KillTimeout)
	cfg.Edit = nil
	require.Equal(t, config(), cfg)
	require.Equal(t, []*api.Constraint{nil}, cfg.Placement.Constraints[1:2], "it was appended in the configuration's memory")
}
