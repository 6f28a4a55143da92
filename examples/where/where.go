// Package where lets the examples run in one process, on one machine's processes, on several
// machines, or on a Nomad cluster, by flags and without a change of their code.
package where

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/process"
)

// Flags say where an example runs.
type Flags struct {
	Redis   string // URL of the backend, or env:NAME; "" is this process's memory
	Workers string // local, process, nomad, none or only; "" is nomad where Nomad is set, else local
	Nomad   string // address of the cluster; "" is NOMAD_ADDR
	Image   string // of this program, for Nomad; "" is the file that it was started from
	Secrets string // path of the Nomad Variable for env:NAME; "" is nomad/jobs
	Small   bool   // ask Nomad for little with an Image too
	Role    string // run, deploy or schedule; "" is run
	// Args are further arguments that workers on Nomad need to make the same app.
	Args []string
}

// Register adds the flags -redis, -workers, -nomad, -image, -small and -role.
func (f *Flags) Register(flags *flag.FlagSet) {
	flags.StringVar(&f.Redis, "redis", "", "`URL` of the Redis that holds the state, as redis://localhost:6379; env:NAME takes it from\n"+
		"the environment, for URLs with a password; default: this process's memory")
	flags.StringVar(&f.Workers, "workers", "", "`who` executes: local, goroutines of this process; process, child processes;\nnomad, allocations of a cluster; none, other processes alone;\n"+
		"only, this process does nothing else; default: nomad with -nomad, else local")
	flags.StringVar(&f.Nomad, "nomad", "", "`address` of the Nomad cluster, as http://localhost:4646; default: NOMAD_ADDR")
	flags.StringVar(&f.Image, "image", "", "on Nomad: the Docker `image` of this program;\ndefault: this very file, for a cluster on this machine")
	flags.StringVar(&f.Secrets, "secrets", "", "on Nomad: the `path` of the Variable in which workers find what env:NAME says, under the name in\nsmall letters; default: "+secretPath)
	flags.BoolVar(&f.Small, "small", false, "with -image: ask for little hardware, as without an image, for a cluster on this machine")
	flags.StringVar(&f.Role, "role", "run", "`what` this process does with Nomad: run the program; deploy, register its jobs and end;\nschedule, launch workers for processes with -workers none")
}

// workers is Workers with its default.
func (f *Flags) workers() string {
	switch {
	case f.Workers != "":
		return f.Workers
	case f.Nomad != "":
		return "nomad"
	}
	return "local"
}

// Check reports flags that do not go together.
func (f *Flags) Check() error {
	workers := f.workers()
	switch workers {
	case "local", "process", "nomad", "none", "only":
	default:
		return fmt.Errorf("-workers %q: use local, process, nomad, none or only", workers)
	}
	switch f.Role {
	case "", "run", "deploy", "schedule":
	default:
		return fmt.Errorf("-role %q: use run, deploy or schedule", f.Role)
	}
	if workers != "nomad" {
		if flag := f.forNomad(); flag != "" {
			return fmt.Errorf("%s is for -workers nomad, not %s", flag, workers)
		}
	}
	if f.Small && f.Image == "" {
		return errors.New("-small is for -image: without one little is asked for anyway")
	}
	if workers != "local" && f.Redis == "" {
		return fmt.Errorf("-workers %s needs -redis: processes do not share memory", workers)
	}
	return nil
}

// forNomad is a flag given that is for Nomad alone; "" without.
func (f *Flags) forNomad() string {
	switch {
	case f.Nomad != "":
		return "-nomad"
	case f.Image != "":
		return "-image"
	case f.Secrets != "":
		return "-secrets"
	case f.Role != "" && f.Role != "run":
		return "-role " + f.Role
	}
	return ""
}

// fromEnv is the variable of -redis env:NAME.
func (f *Flags) fromEnv() (name string, ok bool) { return strings.CutPrefix(f.Redis, "env:") }

// url is the URL of the backend.
func (f *Flags) url() (string, error) {
	name, ok := f.fromEnv()
	if !ok {
		return f.Redis, nil
	}
	url := os.Getenv(name)
	if url == "" {
		return "", fmt.Errorf("-redis %s: the environment variable %q is not set", f.Redis, name)
	}
	return url, nil
}

// Run makes the app and calls main with a context that carries it, as app.Run does.
func (f *Flags) Run(ctx context.Context, cfg mn.Config, main func(ctx context.Context, app *mn.App) error) (err error) {
	if err := f.Check(); err != nil {
		return err
	}
	if f.Redis != "" {
		url, err := f.url()
		if err != nil {
			return err
		}
		b, err := redis.Open(ctx, url, redis.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		cfg.Backend = b
	}
	switch f.workers() {
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
		switch {
		case f.Role == "deploy":
			return app.Deploy(ctx)
		case f.Role == "schedule":
			return app.Schedule(ctx)
		case f.Workers == "only":
			<-ctx.Done()
			return nil
		}
		return main(ctx, app)
	})
}
