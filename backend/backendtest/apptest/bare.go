package apptest

import (
	"fmt"

	"github.com/multinode/mn"
)

// kinds makes a bare definition for each combination of types that the cases use.
var kinds = []func(mn.Definition) mn.Definition{
	bareJob[int, int], bareJob[int, string], bareJob[string, int], bareJob[string, string],
	bareFunction[int, int], bareFunction[int, string], bareFunction[int, bool], bareFunction[string, string],
}

// bare returns the definitions without their handlers, as a program has them that only
// starts and calls what others execute.
func bare(defs ...mn.Definition) []mn.Definition {
	all := make([]mn.Definition, len(defs))
	for i, d := range defs {
		for _, kind := range kinds {
			if b := kind(d); b != nil {
				all[i] = b
			}
		}
		if all[i] == nil {
			panic(fmt.Sprintf("apptest: add a %T to kinds", d))
		}
	}
	return all
}

func bareJob[In, Out any](d mn.Definition) mn.Definition {
	if _, ok := d.(*mn.Job[In, Out]); ok {
		return mn.NewJob[In, Out](d.Name(), nil)
	}
	return nil
}

func bareFunction[In, Out any](d mn.Definition) mn.Definition {
	if _, ok := d.(*mn.Function[In, Out]); ok {
		return mn.NewFunction[In, Out](d.Name(), nil)
	}
	return nil
}
