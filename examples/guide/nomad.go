package guide

import (
	"context"
	"os"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/provisioner/nomad"
)

// runOnNomad runs main in an app whose workers are allocations.
func runOnNomad(ctx context.Context, definitions []mn.Definition, main func(context.Context) error) error {
	b, err := redis.Open(ctx, os.Getenv("REDIS_URL"), redis.Options{})
	if err != nil {
		return err
	}
	defer b.Close()
	app, err := mn.New(mn.Config{
		Name: "chess", Definitions: definitions, Backend: b,
		Provisioner: nomad.New(nomad.Config{
			Program: nomad.Docker{Image: "registry.example/chess@sha256:…"},
			Secrets: []nomad.Secret{{Env: "REDIS_URL", Path: "nomad/jobs", Key: "redis_url"}},
		}),
	})
	if err != nil {
		return err
	}
	return app.Run(ctx, main)
}

// deploy is the main of a deployment step.
func deploy(ctx context.Context, app *mn.App) error {
	return app.Run(ctx, app.Deploy)
}

// schedule is the main of a scheduler.
func schedule(ctx context.Context, app *mn.App) error {
	return app.Run(ctx, app.Schedule)
}

// placed is a configuration that says what runs where.
func placed(low int) nomad.Config {
	return nomad.Config{
		Program:   nomad.RawExec{},
		Placement: nomad.Placement{NodePool: "cpu"},
		Pools: map[string]nomad.Placement{
			"train": {NodePool: "gpu", Devices: []*api.RequestedDevice{{Name: "nvidia/gpu"}}},
		},
		Edit: func(_ string, job *api.Job) { job.Priority = &low }, // whatever else Nomad can do
	}
}
