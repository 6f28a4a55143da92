package memory

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// check compares a set with what it must hold.
func (s *sortedSet) check(t require.TestingT, want []string) {
	var got []string
	for _, c := range s.chunks {
		require.NotEmpty(t, c, "empty chunk")
		require.LessOrEqual(t, len(c), chunkSize)
		got = append(got, c...)
	}
	require.Equal(t, want, got)
}

func TestSortedSetAgainstASortedSlice(t *testing.T) {
	keys := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("%04d", rapid.IntRange(0, 2500).Draw(t, "key")) })
	rapid.Check(t, func(t *rapid.T) {
		var s sortedSet
		want := []string(nil)
		insert := func(key string) {
			s.insert(key)
			if i, found := slices.BinarySearch(want, key); !found {
				want = slices.Insert(want, i, key)
			}
		}
		remove := func(key string) {
			s.remove(key)
			if i, found := slices.BinarySearch(want, key); found {
				want = slices.Delete(want, i, i+1)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) { insert(keys.Draw(t, "key")) },
			"remove": func(t *rapid.T) { remove(keys.Draw(t, "key")) },
			"insert many": func(t *rapid.T) {
				from, step := rapid.IntRange(0, 2500).Draw(t, "from"), rapid.SampledFrom([]int{1, -1, 7}).Draw(t, "step")
				for i := range 600 {
					insert(fmt.Sprintf("%04d", (from+i*step+5000)%2501))
				}
			},
			"remove many": func(t *rapid.T) {
				from := rapid.IntRange(0, 2500).Draw(t, "from")
				for i := range 600 {
					remove(fmt.Sprintf("%04d", (from+i)%2501))
				}
			},
			"below": func(t *rapid.T) {
				cursor := keys.Draw(t, "cursor")
				i, _ := slices.BinarySearch(want, cursor)
				got, ok := highest(s.below(cursor))
				require.Equal(t, i > 0, ok)
				if ok {
					require.Equal(t, want[i-1], got)
				}
			},
			"highest": func(t *rapid.T) {
				got, ok := highest(s.below(""))
				require.Equal(t, len(want) > 0, ok)
				if ok {
					require.Equal(t, want[len(want)-1], got)
				}
			},
			"above": func(t *rapid.T) {
				cursor, limit := keys.Draw(t, "cursor"), rapid.IntRange(0, 1500).Draw(t, "limit")
				i, found := slices.BinarySearch(want, cursor)
				if found {
					i++
				}
				require.Equal(t, slices.Concat(want[i:min(len(want), i+limit)]), s.above(cursor, limit))
			},
			"": func(t *rapid.T) { s.check(t, slices.Concat(want)) },
		})
	})
}

func TestSortedSetFillsItsChunksWhenKeysAscend(t *testing.T) {
	var s sortedSet
	for i := range 10 * chunkSize {
		s.insert(fmt.Sprintf("%06d", i))
	}
	require.Len(t, s.chunks, 10)
}

func TestListAgainstASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := list{link: linkQueue}
		other := list{link: linkLeased} // the same tasks in another list must not matter
		tasks := make([]task, 8)
		for i := range tasks {
			other.push(&tasks[i])
		}
		var want []*task
		draw := func(t *rapid.T) *task { return &tasks[rapid.IntRange(0, len(tasks)-1).Draw(t, "task")] }
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				if x := draw(t); !slices.Contains(want, x) {
					l.push(x)
					want = append(want, x)
				}
			},
			"remove": func(t *rapid.T) {
				x := draw(t)
				l.remove(x)
				want = slices.DeleteFunc(want, func(y *task) bool { return x == y })
			},
			"pop": func(t *rapid.T) {
				x := l.pop()
				if len(want) == 0 {
					require.Nil(t, x)
					return
				}
				require.Same(t, want[0], x)
				want = want[1:]
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(want), l.len)
				x := l.head
				for _, y := range want {
					require.Same(t, y, x)
					x = x.links[linkQueue].next
				}
				require.Nil(t, x)
				if len(want) > 0 {
					require.Same(t, want[len(want)-1], l.tail)
				}
				require.Equal(t, len(tasks), other.len)
			},
		})
	})
}

// highest is the key at a cursor, and whether there is one.
func highest(c cursor) (string, bool) { return c.key(), c.key() != "" }
