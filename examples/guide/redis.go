package guide

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/process"
)

// runOnRedis runs main in an app whose state is in Redis, and whose workers are processes.
func runOnRedis(ctx context.Context, url string, main func(context.Context) error) error {
	state, err := redis.Open(ctx, url, redis.Options{Strict: true})
	if err != nil {
		return err
	}
	defer state.Close() // after the app's end
	app, err := mn.New(mn.Config{
		Name:        "imports",
		Definitions: []mn.Definition{Import},
		Backend:     state,
		Provisioner: process.New(),
	})
	if err != nil {
		return err
	}
	return app.Run(ctx, main)
}

// newClient returns an app that starts and watches, and executes nothing.
func newClient(state *redis.Backend) (*mn.App, error) {
	return mn.New(mn.Config{
		Name:        "imports",
		Definitions: []mn.Definition{Import},
		Backend:     state,
		Provisioner: provisioner.None,
	})
}

func work(ctx context.Context, app *mn.App) error {
	return app.Run(ctx, func(ctx context.Context) error {
		<-ctx.Done() // until SIGINT or SIGTERM
		return nil
	})
}

func openCluster(ctx context.Context, addrs []string) (*redis.Backend, error) {
	client := goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs:                 addrs,
		ContextTimeoutEnabled: true,
	})
	state, err := redis.New(ctx, client, redis.Options{Strict: true})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return state, nil // close the client after the backend
}

func encrypted(key []byte) (mn.Config, error) {
	codec, err := mn.Encrypt(mn.JSON, mn.Keys{Current: "2026-01", Keys: map[string][]byte{"2026-01": key}})
	if err != nil {
		return mn.Config{}, err
	}
	return mn.Config{Name: "imports", Definitions: []mn.Definition{Import}, Codec: codec}, nil
}
