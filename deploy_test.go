package mn_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
)

// platform is a provisioner that wants to know pools beforehand.
type platform struct {
	*local.Provisioner
	deployed map[string]provisioner.Resources
	err      error
}

func (p *platform) Deploy(_ context.Context, pools map[string]provisioner.Resources) error {
	p.deployed = pools
	return p.err
}

func echoInt(_ context.Context, n int) (int, error) { return n, nil }

func TestDeployRegistersTheDefinitionsThatHaveAHandler(t *testing.T) {
	p := &platform{Provisioner: local.New()}
	app, err := mn.New(mn.Config{Name: "x", Provisioner: p, Definitions: []mn.Definition{
		mn.NewFunction("here", echoInt, mn.CPU(2), mn.Memory(mn.GiB)),
		mn.NewFunction[int, int]("elsewhere", nil),
	}})
	require.NoError(t, err)
	require.NoError(t, app.Deploy(t.Context()))
	require.Equal(t, map[string]provisioner.Resources{"here": {CPU: 2, Memory: 1 << 30}}, p.deployed)
	p.err = errors.New("no such token")
	require.EqualError(t, app.Deploy(t.Context()), `mn: deploy of app "x": no such token`)
	require.NoError(t, app.Close())
	require.ErrorIs(t, app.Deploy(t.Context()), mn.ErrAppClosed)
}

func TestDeployHasNothingToDoForOtherProvisioners(t *testing.T) {
	for _, p := range []provisioner.Provisioner{local.New(), provisioner.None} {
		app, err := mn.New(mn.Config{Name: "x", Provisioner: p, Definitions: []mn.Definition{mn.NewFunction("f", echoInt)}})
		require.NoError(t, err)
		require.NoError(t, app.Deploy(t.Context()))
		require.NoError(t, app.Close())
	}
}

func TestScheduleLaunchesWorkersForClientsThatCannot(t *testing.T) {
	shared := memory.New()
	scheduler, err := mn.New(mn.Config{Name: "x", Backend: shared, Definitions: []mn.Definition{mn.NewFunction("f", echoInt)}})
	require.NoError(t, err)
	f := mn.NewFunction[int, int]("f", nil)
	client, err := mn.New(mn.Config{Name: "x", Backend: shared, Provisioner: provisioner.None, Definitions: []mn.Definition{f}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- scheduler.Run(ctx, scheduler.Schedule) }()
	got, err := f.On(client).Call(t.Context(), 7)
	require.NoError(t, err)
	require.Equal(t, 7, got)
	require.Empty(t, done)
	cancel()
	require.NoError(t, <-done)
	require.ErrorIs(t, scheduler.Schedule(t.Context()), mn.ErrAppClosed)
	require.NoError(t, client.Close())
}

func TestScheduleSaysWhyItCannot(t *testing.T) {
	none, err := mn.New(mn.Config{Name: "x", Provisioner: provisioner.None, Definitions: []mn.Definition{mn.NewFunction("f", echoInt)}})
	require.NoError(t, err)
	require.ErrorContains(t, none.Schedule(t.Context()), "provisioner.None, which launches nothing")
	require.NoError(t, none.Close())
	empty, err := mn.New(mn.Config{Name: "x", Definitions: []mn.Definition{mn.NewFunction[int, int]("f", nil)}})
	require.NoError(t, err)
	require.ErrorContains(t, empty.Schedule(t.Context()), "none of its definitions has a handler")
	require.NoError(t, empty.Close())
}
