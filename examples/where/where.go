// Package where lets the examples run in one process, on one machine's processes, or on
// several machines, by two flags and without a change of their code.
package where

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/process"
)

// Flags say where an example runs.
type Flags struct {
	Redis   string // URL of the backend; "" is this process's memory
	Workers string // local, process, none or only
}

// Register adds the flags -redis and -workers.
func (f *Flags) Register(flags *flag.FlagSet) {
	flags.StringVar(&f.Redis, "redis", "", "`URL` of the Redis that holds the state, as redis://localhost:6379; default: this process's memory")
	flags.StringVar(&f.Workers, "workers", "local", "`who` executes: local, goroutines of this process; process, child processes;\nnone, other processes alone; only, this process does nothing else")
}

// Check reports flags that do not go together.
func (f *Flags) Check() error {
	switch f.Workers {
	case "", "local":
		return nil
	case "process", "none", "only":
		if f.Redis == "" {
			return fmt.Errorf("-workers %s needs -redis: processes do not share memory", f.Workers)
		}
		return nil
	}
	return fmt.Errorf("-workers %q: use local, process, none or only", f.Workers)
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
