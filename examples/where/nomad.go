package where

import (
	"cmp"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/nomad"
)

// secretPath is the default of Flags.Secrets. All jobs of the namespace may read this Variable.
const secretPath = "nomad/jobs"

// nomad launches workers that are this program with the same flags, as far as they say where it
// runs. A Redis URL with a password is refused, because everybody who may read jobs would see it:
// env:NAME is for those.
func (f *Flags) nomad() provisioner.Provisioner { return nomad.New(f.config()) }

func (f *Flags) config() nomad.Config {
	c := nomad.Config{
		Address: f.Nomad, Program: nomad.RawExec{},
		Args: append([]string{"-redis", f.Redis, "-workers", "nomad"}, f.Args...),
	}
	if name, ok := f.fromEnv(); ok {
		c.Secrets = []nomad.Secret{{Env: name, Path: cmp.Or(f.Secrets, secretPath), Key: strings.ToLower(name)}}
	}
	if f.Image != "" {
		c.Program = nomad.Docker{Image: f.Image}
	}
	if f.Image == "" || f.Small {
		c.Edit = ask
	}
	return c
}

// ask has one machine's Nomad place what asks for more than the machine has, as happens with
// local workers, which are not held to what they ask for.
func ask(_ string, job *api.Job) {
	cpu, memory := 50, 512
	job.TaskGroups[0].Tasks[0].Resources = &api.Resources{CPU: &cpu, MemoryMB: &memory}
}
