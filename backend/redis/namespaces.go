package redis

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Schema is the version of what this program stores, see [Backend.Stored].
const Schema = schema

// Stored reads the version of what a namespace holds, 0 if it holds nothing. A program that
// joins raises it to [Schema], after which those of lower versions are refused: what must not
// do that asks first.
func (b *Backend) Stored(ctx context.Context, namespace string) (int, error) {
	key := keyPrefix(b.opts.Prefix, namespace) + "meta"
	text, err := b.rdb.HGet(ctx, key, "v").Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("redis: version of what %q holds: %w", namespace, err)
	}
	version, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("redis: key %q: %w", key, errForeign)
	}
	return version, nil
}

// Namespaces reads the names of all namespaces under Options.Prefix, in order. It looks at
// every key of the server, which blocks for about a second for each million, and needs the
// right to SCAN, which nothing else does.
func (b *Backend) Namespaces(ctx context.Context) ([]string, error) {
	var mu sync.Mutex
	found := make(map[string]bool)
	scan := func(ctx context.Context, node redis.Cmdable) error {
		keys := node.Scan(ctx, 0, globEscape.Replace(b.opts.Prefix)+":{*}:meta", scanCount).Iterator()
		for keys.Next(ctx) {
			if name, ok := namespaceOf(b.opts.Prefix, keys.Val()); ok {
				mu.Lock()
				found[name] = true
				mu.Unlock()
			}
		}
		return keys.Err()
	}
	var err error
	if c, ok := b.rdb.(*redis.ClusterClient); ok {
		err = c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return scan(ctx, node) })
	} else {
		err = scan(ctx, b.rdb)
	}
	if err != nil {
		return nil, fmt.Errorf("redis: search for namespaces: %w", err)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// scanCount is how many keys one SCAN looks at: some milliseconds of the server's time.
const scanCount = 10_000

var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// namespaceOf reads the name out of a namespace's meta key.
func namespaceOf(prefix, key string) (string, bool) {
	name, ok := strings.CutPrefix(key, prefix+":{")
	name, tail, found := strings.Cut(name, "}")
	if !ok || !found || tail != ":meta" {
		return "", false
	}
	encoded, ok := strings.CutPrefix(name, "=")
	if !ok {
		return name, true
	}
	plain, err := base64.RawURLEncoding.DecodeString(encoded)
	return string(plain), err == nil
}
