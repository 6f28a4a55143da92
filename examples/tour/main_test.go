package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTourCountsThePrimesBelow100000(t *testing.T) {
	app := mntest.New(t, Primes, CountPrimes)
	var out strings.Builder
	require.NoError(t, tour(app.Context(t.Context()), &out))
	require.Contains(t, out.String(), "SUCCEEDED 100% 9592 primes")
	require.True(t, strings.HasSuffix(out.String(), "9592 primes below 100000\n"))
}

func TestTourResumesAfterACrash(t *testing.T) {
	app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{Primes, CountPrimes}},
		mntest.KillAfterYield("primes", 3))
	var out strings.Builder
	require.NoError(t, tour(app.Context(t.Context()), &out))
	require.Contains(t, out.String(), "9592 primes below 100000")
}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// The README's code is this program's, word for word, so that it compiles and runs.
func TestReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	blocks := goBlock.FindAllSubmatch(readme, -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		require.Contains(t, string(program), string(b[1]), "a code block of the README is not in examples/tour/main.go")
	}
}
