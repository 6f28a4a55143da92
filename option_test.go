package mn_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// compiled finds what the compiler exports of mn and all that it imports.
func compiled(t *testing.T) importer.Lookup {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "github.com/multinode/mn").Output()
	require.NoError(t, err)
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// programErrors type-checks a program that defines a job and a function with options.
func programErrors(t *testing.T, imp types.Importer, fset *token.FileSet, job, function string) (all []string) {
	t.Helper()
	src := fmt.Sprintf(`package program

import (
	"context"
	"time"

	"github.com/multinode/mn"
)

var (
	_ = time.Second
	_ = mn.NewJob("j", func(context.Context, int, func(int) bool) error { return nil }, %s)
	_ = mn.NewFunction("f", func(context.Context, int) (int, error) { return 0, nil }, %s)
)`, job, function)
	file, err := parser.ParseFile(fset, "program.go", src, 0)
	require.NoError(t, err)
	conf := types.Config{Importer: imp, Error: func(err error) { all = append(all, err.Error()) }}
	_, _ = conf.Check("program", fset, []*ast.File{file}, nil)
	return all
}

func TestOptionOfTheOtherKindDoesNotCompile(t *testing.T) {
	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", compiled(t))
	common := "mn.CPU(1), mn.Memory(mn.GiB), mn.Timeout(time.Hour), mn.CancellationGrace(0), mn.Retries(1), mn.Backoff(0, 0), mn.MaxPending(1)"
	jobs := []string{"mn.MaxConcurrency(1)", "mn.KeepYields(1)", "mn.SyncYields()"}
	functions := []string{"mn.MaxWorkers(1)", "mn.SpareWorkers(1)", "mn.Cooldown(0)"}
	assert.Empty(t, programErrors(t, imp, fset, common, common))
	for _, o := range jobs {
		assert.Empty(t, programErrors(t, imp, fset, o, ""))
		faults := programErrors(t, imp, fset, "", o)
		require.Len(t, faults, 1, o)
		assert.Contains(t, faults[0], "JobOption does not implement mn.FunctionOption")
	}
	for _, o := range functions {
		assert.Empty(t, programErrors(t, imp, fset, "", o))
		faults := programErrors(t, imp, fset, o, "")
		require.Len(t, faults, 1, o)
		assert.Contains(t, faults[0], "FunctionOption does not implement mn.JobOption")
	}
}

func TestBytesAreWrittenInTheLargestUnitThatDividesThem(t *testing.T) {
	for b, s := range map[mn.Bytes]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", mn.KiB: "1 KiB", 1536: "1536 B", 3 * mn.MiB: "3 MiB",
		mn.GiB + mn.MiB: "1025 MiB", 4 * mn.GiB: "4 GiB", -mn.KiB: "-1 KiB",
	} {
		assert.Equal(t, s, b.String())
	}
}
