package mn_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/mntest"
)

// key makes a key of n bytes.
func key(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }

func sealed(t *testing.T, current string, keys map[string][]byte) mn.Codec {
	t.Helper()
	c, err := mn.Encrypt(mn.JSON, mn.Keys{Current: current, Keys: keys})
	require.NoError(t, err)
	return c
}

// home is a place of a value.
var home = mn.Place{App: "app", Kind: "job", Name: "name", ID: "id", Field: "in"}

func TestEncryptedValuesComeBack(t *testing.T) {
	for _, size := range []int{16, 24, 32} {
		c := sealed(t, "k", map[string][]byte{"k": key(size, 1)})
		for _, in := range []string{"", "x", strings.Repeat("long", 10_000)} {
			data, err := c.Encode(home, in)
			require.NoError(t, err)
			var out string
			require.NoError(t, c.Decode(home, data, &out))
			assert.Equal(t, in, out)
		}
	}
}

func TestEncryptingTwiceGivesDifferentBytesWithoutPlaintext(t *testing.T) {
	c := sealed(t, "k", map[string][]byte{"k": key(32, 1)})
	a, err := c.Encode(home, "plaintext")
	require.NoError(t, err)
	b, err := c.Encode(home, "plaintext")
	require.NoError(t, err)
	assert.NotEqual(t, a, b)
	assert.NotContains(t, string(a), "plaintext")
}

func TestOldKeysDecryptUntilTheyAreDropped(t *testing.T) {
	old := sealed(t, "2024", map[string][]byte{"2024": key(32, 1)})
	data, err := old.Encode(home, "value")
	require.NoError(t, err)
	var out string
	rotated := sealed(t, "2025", map[string][]byte{"2024": key(32, 1), "2025": key(32, 2)})
	require.NoError(t, rotated.Decode(home, data, &out))
	assert.Equal(t, "value", out)
	fresh, err := rotated.Encode(home, "value")
	require.NoError(t, err)
	require.ErrorContains(t, old.Decode(home, fresh, &out), `no key with ID "2025"`)
	dropped := sealed(t, "2025", map[string][]byte{"2025": key(32, 2)})
	require.NoError(t, dropped.Decode(home, fresh, &out))
	require.ErrorContains(t, dropped.Decode(home, data, &out), `no key with ID "2024" to decrypt with: add it to mn.Keys`)
}

func TestWrongKeyOfTheSameIDDoesNotDecrypt(t *testing.T) {
	data, err := sealed(t, "k", map[string][]byte{"k": key(32, 1)}).Encode(home, "value")
	require.NoError(t, err)
	var out string
	require.Error(t, sealed(t, "k", map[string][]byte{"k": key(32, 2)}).Decode(home, data, &out))
	assert.Empty(t, out)
}

func TestAnyAlteredOrCutByteIsFound(t *testing.T) {
	// Two IDs of one key: even an ID that changed to the other's is found, though the key fits.
	c := sealed(t, "a", map[string][]byte{"a": key(16, 1), "c": key(16, 1)})
	data, err := c.Encode(home, "value")
	require.NoError(t, err)
	var out string
	for i := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			require.Error(t, c.Decode(home, bad, &out), "byte %d, bit %d", i, bit)
		}
		require.Error(t, c.Decode(home, data[:i], &out), "cut to %d bytes", i)
	}
	require.Error(t, c.Decode(home, append(bytes.Clone(data), 0), &out))
	require.Error(t, c.Decode(home, nil, &out))
	require.Error(t, c.Decode(home, []byte(`"value"`), &out), "plain values are not let through")
	require.NoError(t, c.Decode(home, data, &out))
}

func TestCiphertextDoesNotDecodeInAnotherPlace(t *testing.T) {
	c := sealed(t, "k", map[string][]byte{"k": key(32, 1)})
	data, err := c.Encode(home, "value")
	require.NoError(t, err)
	for what, move := range map[string]func(*mn.Place){
		"app":            func(p *mn.Place) { p.App = "other" },
		"kind":           func(p *mn.Place) { p.Kind = "function" },
		"definition":     func(p *mn.Place) { p.Name = "other" },
		"run":            func(p *mn.Place) { p.ID = "other" },
		"field":          func(p *mn.Place) { p.Field = "out" },
		"between fields": func(p *mn.Place) { p.Name, p.ID = "nam", "eid" },
	} {
		there := home
		move(&there)
		var out string
		require.ErrorContains(t, c.Decode(there, data, &out), "altered or moved", what)
	}
}

func TestEncryptRefusesBadKeys(t *testing.T) {
	for says, keys := range map[string]mn.Keys{
		`the current key "" is not among the keys`:  {},
		`the current key "b" is not among the keys`: {Current: "b", Keys: map[string][]byte{"a": key(16, 1)}},
		`key "a": crypto/aes: invalid key size 15`:  {Current: "a", Keys: map[string][]byte{"a": key(15, 1)}},
		`key "a": crypto/aes: invalid key size 0`:   {Current: "a", Keys: map[string][]byte{"a": nil}},
		`key ID ""`: {Current: "", Keys: map[string][]byte{"": key(16, 1)}},
		`must have`: {Current: "a", Keys: map[string][]byte{"a": key(16, 1), strings.Repeat("x", 256): key(16, 1)}},
	} {
		_, err := mn.Encrypt(mn.JSON, keys)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "mn: Encrypt: ")
	}
}

// wiretap keeps everything that passes into a store.
type wiretap struct {
	backend.Backend
	seen log[[]byte]
}

func (w *wiretap) Namespace(name string) backend.Store { return &tapped{w.Backend.Namespace(name), w} }

type tapped struct {
	backend.Store
	w *wiretap
}

func (s *tapped) Submit(ctx context.Context, session string, subs []backend.Submission) ([]backend.Submitted, error) {
	for _, sub := range subs {
		s.w.seen.add(sub.Input)
	}
	return s.Store.Submit(ctx, session, subs)
}

func (s *tapped) Yield(ctx context.Context, l backend.Lease, yields []backend.Yield) error {
	for _, y := range yields {
		s.w.seen.add(y.Data)
	}
	return s.Store.Yield(ctx, l, yields)
}

func (s *tapped) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	for _, e := range ends {
		s.w.seen.add(e.Result)
		for _, y := range e.Yields {
			s.w.seen.add(y.Data)
		}
		if e.Failure != nil {
			s.w.seen.add(append([]byte(e.Failure.Note), e.Failure.Detail...))
		}
	}
	return s.Store.Settle(ctx, ends)
}

func TestEncryptedAppWorksAndItsBackendSeesNoPlaintext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret = "PLAINTEXT"
		tap := &wiretap{Backend: newPlace(t)}
		echo := mn.NewFunction("echo", func(_ context.Context, s string) (string, error) {
			switch s {
			case secret + "error":
				return "", errors.New(s)
			case secret + "panic":
				panic(s)
			}
			return s, nil
		})
		job := mn.NewJob("job", func(ctx context.Context, s string, yield func(string) bool) error {
			if last, ok := mn.LastYield[string](ctx); ok {
				yield(last + "again")
				return errors.New(last)
			}
			yield(s)
			pass(time.Second)
			return errors.New("not yet")
		}, mn.Retries(1))
		app := mntest.NewWith(t, mn.Config{
			Backend: tap, Codec: sealed(t, "k", map[string][]byte{"k": key(32, 1)}), Definitions: []mn.Definition{echo, job},
		})
		out, err := echo.On(app).Call(t.Context(), secret)
		require.NoError(t, err)
		assert.Equal(t, secret, out)
		for _, how := range []string{"error", "panic"} {
			_, err = echo.On(app).Call(t.Context(), secret+how)
			require.ErrorContains(t, err, secret, "its caller may read it")
		}
		info := ended(t, job.On(app), start(t, job.On(app), secret))
		assert.Equal(t, secret+"again", info.Result)
		assert.Equal(t, secret, info.Error.Message)
		assert.GreaterOrEqual(t, len(tap.seen.entries()), 10)
		for _, data := range tap.seen.entries() {
			assert.NotContains(t, string(data), secret)
		}
	})
}
