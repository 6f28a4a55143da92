package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHelloCountsTenWords(t *testing.T) {
	app := mntest.New(t, Count, CountWords)
	ctx := app.Context(t.Context())
	require.NoError(t, hello(ctx))
	id, err := Count.Start(ctx, []string{"to be", "or not to be", "that is the question"})
	require.NoError(t, err)
	total, err := Count.Wait(ctx, id)
	require.NoError(t, err)
	require.Equal(t, 10, total)
}
