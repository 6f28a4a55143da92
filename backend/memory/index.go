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
	var heads []cursor
	for k, set := range s.index {
		if req.Pool != "" && req.Pool != k.pool ||
			len(req.Statuses) > 0 && !slices.Contains(req.Statuses, k.status) {
			continue
		}
		if c := set.below(req.Before); c.key() != "" {
			heads = append(heads, c)
		}
	}
	ids := make([]string, 0, min(limit, 1024))
	for len(ids) < limit && len(heads) > 0 {
		highest := 0
		for i := range heads {
			if heads[i].key() > heads[highest].key() {
				highest = i
			}
		}
		if heads[highest].key() < req.From {
			break
		}
		ids = append(ids, heads[highest].key())
		if !heads[highest].down() {
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
	len    int
	spare  []string // an emptied chunk: sets of what is under way empty all the time
}

// chunk returns the index of the chunk in which key is or belongs.
func (s *sortedSet) chunk(key string) int {
	// The first chunk that begins above key, less one.
	i := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i][0] > key })
	return max(0, i-1)
}

func (s *sortedSet) insert(key string) {
	if len(s.chunks) == 0 {
		if s.spare == nil {
			s.spare = make([]string, 0, 8)
		}
		s.chunks = append(s.chunks, append(s.spare, key))
		s.spare = nil
		s.len++
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
		s.len++
	case at == len(c) && i == len(s.chunks)-1:
		s.chunks = append(s.chunks, append(make([]string, 0, chunkSize), key))
		s.len++
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
	s.len--
	if len(s.chunks[i]) == 0 {
		s.spare = s.chunks[i]
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
}

// cursor is a place in a sortedSet, which must not change while it is used.
type cursor struct {
	set       *sortedSet
	chunk, at int // at is -1 below the lowest key
}

// key is the key at the cursor, "" below the lowest.
func (c *cursor) key() string {
	if c.at < 0 {
		return ""
	}
	return c.set.chunks[c.chunk][c.at]
}

// down moves to the next lower key; false if there is none.
func (c *cursor) down() bool {
	c.at--
	if c.at < 0 && c.chunk > 0 {
		c.chunk--
		c.at = len(c.set.chunks[c.chunk]) - 1
	}
	return c.at >= 0
}

// below returns a cursor at the highest key below a limit; "" is above all keys.
func (s *sortedSet) below(limit string) cursor {
	c := cursor{set: s, at: -1}
	if len(s.chunks) == 0 {
		return c
	}
	if limit == "" {
		c.chunk = len(s.chunks) - 1
		c.at = len(s.chunks[c.chunk])
	} else {
		c.chunk = s.chunk(limit)
		c.at, _ = slices.BinarySearch(s.chunks[c.chunk], limit)
	}
	c.down()
	return c
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
