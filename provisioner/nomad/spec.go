package nomad

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

// Names within a generated job.
const (
	taskName = "worker" // of the only group and the only task
	metaSlot = "mn_slot"
	metaApp  = "mn_app"
	metaPool = "mn_pool"
	metaSpec = "mn_spec" // the specification's hash
)

// lostAfter is how long Nomad waits for a node it cannot reach before it gives up the workers
// there. Nothing depends on it: mn's leases end much earlier.
const lostAfter = 5 * time.Minute

// spec is one pool's job as it is to be registered.
type spec struct {
	job  *api.Job
	hash string
}

// newSpec generates a pool's job.
func (c *Config) newSpec(app, pool string, r provisioner.Resources) (*spec, error) {
	place := c.placement(pool)
	job := &api.Job{
		ID:   ptr(JobID(c.Prefix, app, pool)),
		Name: ptr(app + "/" + pool),
		Type: ptr(api.JobTypeBatch),
		// A worker is what Nomad must not run twice, on its own account: mn decides whether
		// there is a next one.
		TaskGroups: []*api.TaskGroup{{
			Name: ptr(taskName), Count: ptr(1),
			RestartPolicy: &api.RestartPolicy{
				Attempts: ptr(0), Mode: ptr(api.RestartPolicyModeFail), Interval: ptr(time.Minute), Delay: ptr(time.Second),
			},
			ReschedulePolicy: &api.ReschedulePolicy{Attempts: ptr(0), Unlimited: ptr(false)},
			Disconnect:       &api.DisconnectStrategy{LostAfter: ptr(lostAfter), Replace: ptr(false)},
			Tasks:            []*api.Task{c.newTask(place, r)},
		}},
		Datacenters: place.Datacenters,
		Constraints: place.Constraints,
	}
	if len(job.Datacenters) == 0 {
		job.Datacenters = []string{"*"}
	}
	if place.NodePool != "" {
		job.NodePool = &place.NodePool
	}
	if c.Region != "" {
		job.Region = ptr(c.Region)
	}
	if c.Namespace != "" {
		job.Namespace = ptr(c.Namespace)
	}
	return c.finish(job, app, pool)
}

// finish lets the user edit the job, sets what must be as it is, and hashes the result.
func (c *Config) finish(job *api.Job, app, pool string) (*spec, error) {
	id := *job.ID
	if c.Edit != nil {
		c.Edit(pool, job)
	}
	task := workerTask(job)
	if task == nil {
		return nil, fmt.Errorf("Config.Edit has removed the task %q of %q", taskName, pool)
	}
	job.ID = &id
	job.ParameterizedJob = &api.ParameterizedJobConfig{Payload: "forbidden", MetaRequired: []string{metaSlot}}
	env := map[string]string{}
	maps.Copy(env, task.Env)
	env[provisioner.WorkerVariable] = pool + "/${NOMAD_META_" + metaSlot + "}"
	task.Env = env
	meta := map[string]string{}
	maps.Copy(meta, job.Meta)
	meta[metaApp], meta[metaPool] = app, pool
	delete(meta, metaSpec)
	job.Meta = meta
	text, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("the job for %q cannot be encoded: %w", pool, err)
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])[:16]
	meta[metaSpec] = hash
	return &spec{job: job, hash: hash}, nil
}

func workerTask(job *api.Job) *api.Task {
	for _, g := range job.TaskGroups {
		for _, t := range g.Tasks {
			if t.Name == taskName {
				return t
			}
		}
	}
	return nil
}

func (c *Config) newTask(place Placement, r provisioner.Resources) *api.Task {
	t := &api.Task{
		Name: taskName, Env: maps.Clone(c.Env), KillSignal: "SIGTERM", KillTimeout: ptr(c.KillTimeout),
		Resources: c.resources(place, r),
	}
	c.Program.task(t, slices.Clone(c.Args))
	if len(c.Secrets) > 0 {
		t.Templates = []*api.Template{{
			EmbeddedTmpl: ptr(secretsTemplate(c.Secrets)), DestPath: ptr("secrets/mn.env"),
			Envvars: ptr(true), ChangeMode: ptr("noop"),
		}}
	}
	return t
}

// resources translates mn's into Nomad's, which wants at least 1 MHz and 10 MiB.
func (c *Config) resources(place Placement, r provisioner.Resources) *api.Resources {
	out := &api.Resources{MemoryMB: ptr(mebibytes(r.Memory)), Devices: place.Devices}
	if place.Cores && r.CPU >= 1 && r.CPU == math.Trunc(r.CPU) {
		out.Cores = ptr(int(r.CPU))
	} else {
		out.CPU = ptr(max(1, int(math.Ceil(r.CPU*float64(c.CoreMHz)))))
	}
	if place.MemoryMax > r.Memory {
		out.MemoryMaxMB = ptr(mebibytes(place.MemoryMax))
	}
	return out
}

func mebibytes(bytes int64) int { return int(max(10, (bytes+(1<<20)-1)>>20)) }

// secretsTemplate writes one variable a line, as JSON strings, which Nomad's parser of such
// files reads back whatever is in them.
func secretsTemplate(secrets []Secret) string {
	var b strings.Builder
	for _, s := range secrets {
		fmt.Fprintf(&b, "{{ with nomadVar %q }}%s={{ .%s.Value | toJSON }}{{ end }}\n", s.Path, s.Env, s.Key)
	}
	return b.String()
}

// errForeign says that a job with our name is not ours.
var errForeign = errors.New("is not one of mn for this app: choose another Config.Prefix, or remove it")

// owned reports whether a registered job is the one of this app and pool.
func (s *spec) owned(have *api.Job) error {
	if have.Meta[metaApp] != s.job.Meta[metaApp] || have.Meta[metaPool] != s.job.Meta[metaPool] ||
		have.ParameterizedJob == nil {
		return fmt.Errorf("the Nomad job %q %w", *s.job.ID, errForeign)
	}
	return nil
}
