package dashboard

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/multinode/mn"
)

// shownCalls bounds the table of calls.
const shownCalls = 300

// callTable is the tree of a run's calls in reading order.
type callTable struct {
	Rows    []callLine
	Total   int // calls that are kept
	Skipped []skippedCalls
}

// callLine is one call and where it stands in the tree.
type callLine struct {
	mn.CallInfo
	Row    string
	Level  int // from 1
	Indent int // Level, bounded for the drawing
	Orphan bool
}

type skippedCalls struct {
	Definition string
	Count      int
}

// maxIndentLevel bounds how far a call is indented: they may be nested a thousand deep.
const maxIndentLevel = 8

func lowerStatus(s mn.Status) string { return strings.ToLower(string(s)) }

// callRow names a call's row: IDs of calls may hold anything.
func callRow(c *mn.CallInfo) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", c.ID, c.Attempt)
	return fmt.Sprintf("call-%x", h.Sum64())
}

func newCallTable(root string, tree mn.CallTree) callTable {
	t := callTable{Total: len(tree.Calls)}
	for _, name := range slices.Sorted(maps.Keys(tree.Skipped)) {
		t.Skipped = append(t.Skipped, skippedCalls{name, tree.Skipped[name]})
	}
	known := make(map[string]bool)
	for i := range tree.Calls {
		known[tree.Calls[i].ID] = true
	}
	children := make(map[string][]*mn.CallInfo)
	for i := range tree.Calls {
		c := &tree.Calls[i]
		parent := c.Parent
		if !known[parent] || parent == c.ID {
			parent = root
		}
		children[parent] = append(children[parent], c)
	}
	for _, c := range children {
		slices.SortStableFunc(c, func(a, b *mn.CallInfo) int {
			return cmp.Or(a.Created.Compare(b.Created), a.Started.Compare(b.Started))
		})
	}
	t.walk(root, children)
	return t
}

// walk lists the tree depth first, without recursion: it may be a thousand levels deep.
func (t *callTable) walk(root string, children map[string][]*mn.CallInfo) {
	type place struct {
		call  *mn.CallInfo
		level int
	}
	var stack []place
	push := func(parent string, level int) {
		list := children[parent]
		delete(children, parent) // several attempts of one call share their children
		for _, c := range slices.Backward(list) {
			stack = append(stack, place{c, level})
		}
	}
	push(root, 1)
	for len(stack) > 0 && len(t.Rows) < shownCalls {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		t.Rows = append(t.Rows, callLine{
			CallInfo: *p.call, Row: callRow(p.call), Level: p.level, Indent: min(p.level, maxIndentLevel),
			Orphan: p.level == 1 && p.call.Parent != root,
		})
		push(p.call.ID, p.level+1)
	}
}

// Hidden is how many kept calls the table leaves out.
func (t *callTable) Hidden() int { return t.Total - len(t.Rows) }
