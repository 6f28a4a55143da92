package mn_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// spy is a codec that remembers what was encoded and decoded where.
type spy struct {
	mn.Codec
	encoded, decoded log[mn.Place]
}

func (s *spy) Encode(at mn.Place, v any) ([]byte, error) {
	s.encoded.add(at)
	return s.Codec.Encode(at, v)
}

func (s *spy) Decode(at mn.Place, data []byte, v any) error {
	s.decoded.add(at)
	return s.Codec.Decode(at, data, v)
}

// gobCodec is a codec of one's own.
type gobCodec struct{}

func (gobCodec) Encode(_ mn.Place, v any) ([]byte, error) {
	var buf bytes.Buffer
	err := gob.NewEncoder(&buf).Encode(v)
	return buf.Bytes(), err
}

func (gobCodec) Decode(_ mn.Place, data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

func TestAppWorksWithACodecOfOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type pair struct{ A, B complex128 } // which JSON has no form for
		add := mn.NewFunction("add", func(_ context.Context, p pair) (complex128, error) {
			if p.A == 0 {
				return 0, errors.New("nothing to add")
			}
			return p.A + p.B, nil
		})
		job := mn.NewJob("job", func(ctx context.Context, p pair, yield func(complex128) bool) error {
			out, err := add.Call(ctx, p)
			yield(out)
			return err
		})
		app := mntest.NewWith(t, mn.Config{Codec: gobCodec{}, Definitions: []mn.Definition{add, job}})
		id := start(t, job.On(app), pair{1i, 2})
		out, err := job.On(app).Wait(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 2+1i, out)
		_, err = add.On(app).Call(t.Context(), pair{})
		var run *mn.RunError
		require.ErrorAs(t, err, &run)
		assert.Equal(t, "nothing to add", run.Message)
	})
}

func TestCodecIsToldWhereEachValueBelongs(t *testing.T) {
	s := &spy{Codec: mn.JSON}
	f := mn.NewFunction("f", func(ctx context.Context, fail bool) (string, error) {
		if fail {
			return "", errors.New("failed")
		}
		return mn.TaskID(ctx), nil
	})
	app := mntest.NewWith(t, mn.Config{Codec: s, Definitions: []mn.Definition{f}})
	id, err := f.On(app).Call(t.Context(), false)
	require.NoError(t, err)
	at := func(id, field string) mn.Place {
		return mn.Place{App: "test", Kind: "function", Name: "f", ID: id, Field: field}
	}
	both := []mn.Place{at(id, "in"), at(id, "out")}
	assert.Equal(t, both, s.encoded.entries())
	assert.Equal(t, both, s.decoded.entries())
	_, err = f.On(app).Call(t.Context(), true)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.Equal(t, []mn.Place{at(run.ID, "in"), at(run.ID, "error")}, s.encoded.entries()[2:])
}

// mute is a codec that cannot encode errors.
type mute struct{ mn.Codec }

func (m mute) Encode(at mn.Place, v any) ([]byte, error) {
	if at.Field == "error" {
		panic("no errors, please")
	}
	return m.Codec.Encode(at, v)
}

func TestErrorThatCannotBeEncodedStillFailsTheCall(t *testing.T) {
	f := mn.NewFunction("f", func(context.Context, int) (int, error) { return 0, errors.New("secret") })
	app := mntest.NewWith(t, mn.Config{Codec: mute{mn.JSON}, Definitions: []mn.Definition{f}})
	_, err := f.On(app).Call(t.Context(), 1)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.Equal(t, "error: its text could not be encoded", run.Message)
}
