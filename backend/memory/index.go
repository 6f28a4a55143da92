package memory

import (
	"cmp"
	"slices"
	"sort"

	"github.com/multinode/mn/backend"
)

// indexKey names the set of jobs of one definition in one status. A list merges
// the sets that it asks for, so that a filter never reads what it filters out.
type indexKey struct {
	pool   string
	status backend.Status
}

func (s *store) indexed(t *task) *sortedSet {
	k := indexKey{t.Pool, t.Status}
	set, ok := s.index[k]
	if !ok {
		set = new(sortedSet)
		s.index[k] = set
	}
	return set
}

// list returns up to limit IDs below the cursor from the chosen sets, highest first.
func (s *store) list(req backend.ListRequest, limit int) []string {
	type cursor struct {
		set  *sortedSet
		next string
	}
	var heads []cursor
	for k, set := range s.index {
		if req.Pool != "" && req.Pool != k.pool ||
			len(req.Statuses) > 0 && !slices.Contains(req.Statuses, k.status) {
			continue
		}
		if id, ok := set.below(req.Before); ok {
			heads = append(heads, cursor{set, id})
		}
	}
	ids := make([]string, 0, min(limit, 1024))
	for len(ids) < limit && len(heads) > 0 {
		highest := 0
		for i := range heads {
			if heads[i].next > heads[highest].next {
				highest = i
			}
		}
		h := &heads[highest]
		ids = append(ids, h.next)
		if id, ok := h.set.below(h.next); ok {
			h.next = id
		} else {
			heads = slices.Delete(heads, highest, highest+1)
		}
	}
	return ids
}

// chunkSize is how many keys a chunk of a sortedSet holds at most: small enough to
// move cheaply, large enough that a million keys make a few thousand chunks.
const chunkSize = 512

// sortedSet is an ordered set of strings in sorted chunks. Keys mostly come in
// ascending order (UUIDv7), so most inserts append to the last chunk.
type sortedSet struct {
	chunks [][]string // none empty; sorted within and among each other
}

// chunk returns the index of the chunk in which key is or belongs.
func (s *sortedSet) chunk(key string) int {
	// The first chunk that begins above key, less one.
	i := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i][0] > key })
	return max(0, i-1)
}

func (s *sortedSet) insert(key string) {
	if len(s.chunks) == 0 {
		s.chunks = append(s.chunks, append(make([]string, 0, 8), key))
		return
	}
	i := s.chunk(key)
	at, found := slices.BinarySearch(s.chunks[i], key)
	if found {
		return
	}
	c := s.chunks[i]
	switch {
	case len(c) < chunkSize:
		s.chunks[i] = slices.Insert(c, at, key)
	case at == len(c) && i == len(s.chunks)-1:
		s.chunks = append(s.chunks, append(make([]string, 0, chunkSize), key))
	default:
		right := append(make([]string, 0, chunkSize), c[chunkSize/2:]...)
		clear(c[chunkSize/2:])
		s.chunks[i] = c[:chunkSize/2]
		s.chunks = slices.Insert(s.chunks, i+1, right)
		s.insert(key)
	}
}

func (s *sortedSet) remove(key string) {
	if len(s.chunks) == 0 {
		return
	}
	i := s.chunk(key)
	at, found := slices.BinarySearch(s.chunks[i], key)
	if !found {
		return
	}
	s.chunks[i] = slices.Delete(s.chunks[i], at, at+1)
	if len(s.chunks[i]) == 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
}

// below returns the highest key below the cursor; an empty cursor is above all keys.
func (s *sortedSet) below(cursor string) (string, bool) {
	if len(s.chunks) == 0 {
		return "", false
	}
	if cursor == "" {
		last := s.chunks[len(s.chunks)-1]
		return last[len(last)-1], true
	}
	i := s.chunk(cursor)
	at, _ := slices.BinarySearch(s.chunks[i], cursor)
	if at > 0 {
		return s.chunks[i][at-1], true
	}
	if i > 0 {
		c := s.chunks[i-1]
		return c[len(c)-1], true
	}
	return "", false
}

// above returns up to limit keys above the cursor, lowest first.
func (s *sortedSet) above(cursor string, limit int) []string {
	var keys []string
	for i := s.chunk(cursor); i < len(s.chunks) && len(keys) < limit; i++ {
		at, found := slices.BinarySearchFunc(s.chunks[i], cursor, cmp.Compare[string])
		if found {
			at++
		}
		keys = append(keys, s.chunks[i][at:]...)
	}
	return keys[:min(len(keys), limit)]
}
