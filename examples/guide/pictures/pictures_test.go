package pictures

import (
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the pictures to docs/pictures")

// folder is where they are, seen from here.
const folder = "../../../docs/pictures"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pictures draws each of them, by the name of its file.
var pictures = map[string]func(*testing.T) string{
	"states.svg":     drawStates,
	"retries.svg":    func(t *testing.T) string { return drawRetries(runRetries(t)) },
	"map.svg":        func(t *testing.T) string { return drawMap(runMap(t)) },
	"cancel.svg":     func(t *testing.T) string { return drawCancel(runCancel(t)) },
	"fencing.svg":    func(t *testing.T) string { return drawFencing(runFencing(t)) },
	"bubble.svg":     func(t *testing.T) string { return drawBubble(runBubble(t)) },
	"lease.svg":      func(t *testing.T) string { return drawLease(runLease(t)) },
	"call.svg":       func(t *testing.T) string { return drawCall(runCall(t)) },
	"benchmarks.svg": func(t *testing.T) string { return drawBenchmarks(readTables(t)) },
	"peers.svg":      func(t *testing.T) string { return drawPeers(readTables(t)) },
	"places.svg":     func(*testing.T) string { return drawPlaces() },
	"redis.svg":      func(*testing.T) string { return drawRedis() },
	"nomad.svg":      func(*testing.T) string { return drawNomad() },
}

func TestPicturesAreWhatTheCodeDraws(t *testing.T) {
	for name, draw := range pictures {
		t.Run(name, func(t *testing.T) {
			drawn := draw(t)
			requireSmallAndWellFormed(t, drawn)
			path := filepath.Join(folder, name)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(drawn), 0o644))
			}
			committed, err := os.ReadFile(path)
			require.NoError(t, err, "make docs draws it")
			require.Equal(t, string(committed), drawn, "docs/pictures/%s is stale: run make docs and look at it", name)
		})
	}
}

func TestNoPictureIsLeftOver(t *testing.T) {
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, f := range files {
		require.Contains(t, pictures, f.Name(), "nothing draws docs/pictures/%s: remove it", f.Name())
	}
}

func requireSmallAndWellFormed(t *testing.T, svg string) {
	t.Helper()
	require.Less(t, len(svg), 20_000, "a picture of a page is small")
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		_, err := d.Token()
		if err == io.EOF { //nolint:errorlint // as documented
			return
		}
		require.NoError(t, err)
	}
}
