package apptest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/provisioner"
)

var codecRules = []rule{
	{"with an encrypted codec nothing that is stored can be read, and everything works", checkEncrypted},
	{"apps with an old and a new key work together, and one without fails only its own reads", checkKeys},
}

// key makes a key of a word.
func key(word string) []byte {
	sum := sha256.Sum256([]byte(word))
	return sum[:]
}

func sealed(w *world, current string, ids ...string) mn.Codec {
	w.t.Helper()
	keys := mn.Keys{Current: current, Keys: make(map[string][]byte)}
	for _, id := range append(ids, current) {
		keys.Keys[id] = key(id)
	}
	c, err := mn.Encrypt(mn.JSON, keys)
	require.NoError(w.t, err)
	return c
}

const secret = "the launch code is 0000"

func checkEncrypted(w *world) {
	echo := mn.NewFunction("echo", func(_ context.Context, s string) (string, error) { return s, nil })
	job := mn.NewJob("job", func(ctx context.Context, s string, yield func(string) bool) error {
		out, err := echo.Call(ctx, s)
		if err != nil {
			return err
		}
		yield(out)
		return errors.New(out)
	}, mn.KeepYields(5))
	codec := sealed(w, "k1")
	w.join(mn.Config{Definitions: []mn.Definition{job, echo}, Codec: codec})
	client := w.join(mn.Config{Definitions: bare(job), Codec: codec, Provisioner: provisioner.None})
	id := start(w, job.On(client.App), secret)
	info := ended(w, job.On(client.App), id)
	require.Equal(w.t, secret, info.Result)
	require.Equal(w.t, secret, info.Error.Message)
	for shown, err := range job.On(client.App).Watch(w.ctx, id, mn.FromYield(1)) {
		require.NoError(w.t, err)
		require.Equal(w.t, secret, shown.Result)
	}
	for _, t := range w.jobs() {
		require.NotEmpty(w.t, t.Input)
		for _, stored := range [][]byte{t.Input, t.Result, t.Failure.Detail, []byte(t.Failure.Note)} {
			require.False(w.t, bytes.Contains(stored, []byte("launch")), "%q", stored)
		}
		kept, err := w.store.Yields(w.ctx, t.ID, 0, 10)
		require.NoError(w.t, err)
		require.Len(w.t, kept, 1)
		require.False(w.t, bytes.Contains(kept[0].Data, []byte("launch")))
	}
}

func checkKeys(w *world) {
	job := mn.NewJob("job", func(_ context.Context, s string, yield func(string) bool) error {
		yield(s)
		return nil
	})
	client := func(c mn.Codec) *mn.Job[string, string] {
		return job.On(w.join(mn.Config{
			Definitions: bare(job), Codec: c, Provisioner: provisioner.None,
		}).App)
	}
	w.join(mn.Config{Definitions: []mn.Definition{job}, Codec: sealed(w, "new", "old")})
	old, foreign := client(sealed(w, "old", "new")), client(sealed(w, "foreign"))
	id := start(w, old, secret)
	require.Equal(w.t, secret, succeeded(w, old, id))
	_, err := foreign.Get(w.ctx, id)
	require.ErrorContains(w.t, err, `no key with ID "new"`)
	info := ended(w, old, start(w, foreign, "forged"))
	require.Equal(w.t, mn.Failed, info.Status, "what cannot be decrypted is not executed")
	require.Equal(w.t, 1, info.Attempt)
	require.Equal(w.t, secret, succeeded(w, old, start(w, old, secret)), "and does no harm")
}
