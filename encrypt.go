package mn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// Keys are the keys of [Encrypt]. To rotate, add a key, make it Current, and drop
// the old one when nothing encrypted with it is left.
type Keys struct {
	Current string            // the ID of the key that encrypts
	Keys    map[string][]byte // by ID, 1 to 255 bytes long; 16, 24 or 32 bytes each: AES-128, -192 or -256
}

// Encrypt wraps a codec so that everything it encodes (inputs, results, yields and
// errors) is encrypted and authenticated with AES-GCM. Each value is bound to its
// [Place]: one that was moved to another run, field or definition does not decode. It is
// not bound to time: who controls the backend can put an older yield of the same run in
// the place of a newer.
// GCM nonces are random, so a key should encrypt at most 2^32 values (NIST SP
// 800-38D, 8.3).
func Encrypt(inner Codec, keys Keys) (Codec, error) {
	c := &gcmCodec{inner: inner, current: keys.Current, keys: make(map[string]cipher.AEAD, len(keys.Keys))}
	for id, key := range keys.Keys {
		if len(id) == 0 || len(id) > 255 {
			return nil, fmt.Errorf("mn: Encrypt: key ID %q must have 1 to 255 bytes", id)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("mn: Encrypt: key %q: %w", id, err)
		}
		if c.keys[id], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("mn: Encrypt: key %q: %w", id, err)
		}
	}
	if c.keys[keys.Current] == nil {
		return nil, fmt.Errorf("mn: Encrypt: the current key %q is not among the keys", keys.Current)
	}
	return c, nil
}

type gcmCodec struct {
	inner   Codec
	current string
	keys    map[string]cipher.AEAD
}

// A sealed value is: version (1 byte), length of the key ID (1 byte), key ID, nonce
// (12 bytes), ciphertext with tag. All before the nonce is authenticated too.
const sealVersion = 1

var errSealed = errors.New("not a value encrypted with mn.Encrypt, or it was altered or moved")

func (c *gcmCodec) Encode(at Place, v any) ([]byte, error) {
	plain, err := c.inner.Encode(at, v)
	if err != nil {
		return nil, err
	}
	aead := c.keys[c.current]
	head := 2 + len(c.current)
	out := make([]byte, head+aead.NonceSize(), head+aead.NonceSize()+len(plain)+aead.Overhead())
	out[0], out[1] = sealVersion, byte(len(c.current))
	copy(out[2:], c.current)
	nonce := out[head:]
	_, _ = rand.Read(nonce) // never fails: https://pkg.go.dev/crypto/rand#Read
	return aead.Seal(out, nonce, plain, at.bind(out[:head])), nil
}

func (c *gcmCodec) Decode(at Place, data []byte, v any) error {
	if len(data) < 2 || data[0] != sealVersion {
		return errSealed
	}
	head := 2 + int(data[1])
	if len(data) < head {
		return errSealed
	}
	id := string(data[2:head])
	aead := c.keys[id]
	if aead == nil {
		return fmt.Errorf("no key with ID %q to decrypt with: add it to mn.Keys", id)
	}
	if len(data) < head+aead.NonceSize() {
		return errSealed
	}
	nonce, sealed := data[head:head+aead.NonceSize()], data[head+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, sealed, at.bind(data[:head]))
	if err != nil {
		return errSealed
	}
	return c.inner.Decode(at, plain, v)
}

// bind returns head and the place's fields, each with its length before it, so that
// no two places share their bytes.
func (p Place) bind(head []byte) []byte {
	b := append([]byte(nil), head...)
	for _, s := range []string{p.App, p.Kind, p.Name, p.ID, p.Field} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}
