package mn

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/multinode/mn/internal/worker"
)

// Codec turns values into bytes and back. Implementations must be safe for
// concurrent use. A panic in a codec fails the task or the method that used it.
type Codec interface {
	// Encode returns v as bytes that it will not change any more.
	Encode(at Place, v any) ([]byte, error)
	// Decode stores what data holds in v, a pointer. It must not keep data.
	Decode(at Place, data []byte, v any) error
}

// Place says where a value belongs, so that a codec can bind its bytes to it.
type Place struct {
	App   string // Config.Name
	Kind  string // "job" or "function"
	Name  string // of the definition
	ID    string // of the run or call
	Field string // "in", "out" or "error"; "log" and "call" for a run's log and calls, without a Name
}

// Fields of a Place.
const (
	fieldIn    = "in"
	fieldOut   = "out"
	fieldError = "error"
)

// JSON is the default codec: encoding/json.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Encode(_ Place, v any) ([]byte, error)    { return json.Marshal(v) }
func (jsonCodec) Decode(_ Place, data []byte, v any) error { return json.Unmarshal(data, v) }

// encode encodes v, whose codec may panic, and checks the size before anything is sent.
func (a *App) encode(at Place, v any) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &worker.PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	data, err = a.cfg.Codec.Encode(at, v)
	if err != nil {
		return nil, fmt.Errorf("encode %q of %s %q: %w", at.Field, at.Kind, at.Name, err)
	}
	return data, a.checkSize(at, data)
}

// decode decodes data, whose codec may panic, after it has checked the size.
func (a *App) decode(at Place, data []byte, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &worker.PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	if err := a.checkSize(at, data); err != nil {
		return err
	}
	if err := a.cfg.Codec.Decode(at, data, v); err != nil {
		return fmt.Errorf("decode %q of %s %q %s: %w", at.Field, at.Kind, at.Name, at.ID, err)
	}
	return nil
}

func (a *App) checkSize(at Place, data []byte) error {
	if limit := a.cfg.PayloadLimit; Bytes(len(data)) > limit {
		return fmt.Errorf("%w: %q of %s %q has %d bytes, the limit is %s: store it elsewhere and pass a reference, or raise mn.Config.PayloadLimit",
			ErrPayloadTooLarge, at.Field, at.Kind, at.Name, len(data), limit)
	}
	return nil
}
