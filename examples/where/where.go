// Package where lets the examples run in one process, on one machine's processes, on several
// machines, or on a Nomad cluster, by flags and without a change of their code.
package where

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/nomad"
	"github.com/multinode/mn/provisioner/process"
)

// Flags say where an example runs.
type Flags struct {
	Redis   string // URL of the backend; "" is this process's memory
	Workers string // local, process, nomad, none or only
	Image   string // of this program, for Nomad; "" is the file that it was started from
}

// Register adds the flags -redis, -workers and -image.
func (f *Flags) Register(flags *flag.FlagSet) {
	flags.StringVar(&f.Redis, "redis", "", "`URL` of the Redis that holds the state, as redis://localhost:6379; default: this process's memory")
	flags.StringVar(&f.Workers, "workers", "local", "`who` executes: local, goroutines of this process; process, child processes;\nnomad, allocations of the cluster at NOMAD_ADDR; none, other processes alone;\nonly, this process does nothing else")
	flags.StringVar(&f.Image, "image", "", "with -workers nomad: the Docker `image` of this program;\ndefault: this very file, for a cluster on this machine")
}

// Check reports flags that do not go together.
func (f *Flags) Check() error {
	if f.Image != "" && f.Workers != "nomad" {
		return errors.New("-image is for -workers nomad")
	}
	switch f.Workers {
	case "", "local":
		return nil
	case "process", "nomad", "none", "only":
		if f.Redis == "" {
			return fmt.Errorf("-workers %s needs -redis: processes do not share memory", f.Workers)
		}
		return nil
	}
	return fmt.Errorf("-workers %q: use local, process, nomad, none or only", f.Workers)
}

// Run makes the app and calls main with a context that carries it, as app.Run does.
func (f *Flags) Run(ctx context.Context, cfg mn.Config, main func(ctx context.Context, app *mn.App) error) (err error) {
	if err := f.Check(); err != nil {
		return err
	}
	if f.Redis != "" {
		b, err := redis.Open(ctx, f.Redis, redis.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		cfg.Backend = b
	}
	switch f.Workers {
	case "process":
		cfg.Provisioner = process.New()
	case "nomad":
		cfg.Provisioner = f.nomad()
	case "none":
		cfg.Provisioner = provisioner.None
	}
	app, err := mn.New(cfg)
	if err != nil {
		return err
	}
	return app.Run(ctx, func(ctx context.Context) error {
		if f.Workers == "only" {
			<-ctx.Done()
			return nil
		}
		return main(ctx, app)
	})
}

// nomad launches workers that are this program with the same flags, as far as they say where it
// runs. A Redis URL with a password is refused, because everybody who may read jobs would see it.
func (f *Flags) nomad() provisioner.Provisioner {
	c := nomad.Config{Program: nomad.RawExec{}, Args: []string{"-redis", f.Redis, "-workers", "nomad"}}
	if f.Image != "" {
		c.Program = nomad.Docker{Image: f.Image}
		c.Args = append(c.Args, "-image", f.Image)
	} else {
		c.Edit = ask
	}
	return nomad.New(c)
}

// ask has one machine's Nomad place what asks for more than the machine has, as happens with
// local workers, which are not held to what they ask for.
func ask(_ string, job *api.Job) {
	cpu, memory := 50, 512
	job.TaskGroups[0].Tasks[0].Resources = &api.Resources{CPU: &cpu, MemoryMB: &memory}
}
