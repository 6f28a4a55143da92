package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	fast = measure{name: "fast", unit: "µs", target: 3, floor: latency(nil, nil, 1)}
	rate = measure{name: "a rate with a long name", unit: "calls/s", target: 1.0 / 3, atLeast: true}
	info = measure{name: "info", unit: "B"}
)

func TestMetComparesWithTheBoundsSide(t *testing.T) {
	assert.True(t, fast.met(3))
	assert.False(t, fast.met(3.01))
	assert.True(t, rate.met(0.34))
	assert.False(t, rate.met(0.33))
}

func TestJSONHasAllKeysAndNullForWhatIsMissing(t *testing.T) {
	var out, log bytes.Buffer
	r := newReport(&options{json: true}, []measure{fast, info}, &out, &log)
	r.begin()
	r.add(newRow(&fast, "memory", result{value: 8, floor: 2}))
	r.add(newRow(&info, "memory", result{value: 700}))
	assert.Equal(t, 1, r.end())
	assert.Equal(t, `{"measure":"fast","backend":"memory","value":8,"unit":"µs","floor":2,"ratio":4,"target":3,"met":false}
{"measure":"info","backend":"memory","value":700,"unit":"B","floor":null,"ratio":null,"target":null,"met":null}
`, out.String())
	assert.Equal(t, "0 of 1 targets met; missed: fast\n", log.String())
}

func TestTableIsAlignedAndSummedUp(t *testing.T) {
	var out bytes.Buffer
	chosen := []measure{fast, rate, info}
	r := newReport(&options{driver: driver{name: "memory"}, seconds: 3}, chosen, &out, nil)
	r.begin()
	r.add(newRow(&fast, "memory", result{value: 4.444, floor: 2}))
	r.add(newRow(&rate, "memory", result{value: 300_000, floor: 1_000_000}))
	r.add(newRow(&info, "memory", result{value: 71.56}))
	assert.Equal(t, 1, r.end())
	head, table, ok := strings.Cut(out.String(), "\n\n")
	require.True(t, ok)
	assert.Contains(t, head, "GOMAXPROCS")
	assert.Equal(t, `measure                  backend        value  unit           floor    ratio   target  met
fast                     memory          4.44  µs              2.00     2.22   ≤ 3.00  yes
a rate with a long name  memory        300000  calls/s      1000000     0.30   ≥ 0.33  no
info                     memory          71.6  B                  –        –        –  –

1 of 2 targets met; missed: a rate with a long name
`, table)
	assert.Equal(t, utf8.RuneCountInString(rate.name), r.widths[0])
}

func TestARowWithoutATargetIsNeitherMetNorMissed(t *testing.T) {
	m := measure{name: "no target", unit: "µs"}
	w := newRow(&m, "memory", result{value: 3, floor: 2})
	assert.Nil(t, w.Target)
	assert.Nil(t, w.Met)
	assert.False(t, w.missed())
	assert.InDelta(t, 1.5, *w.Ratio, 1e-9)
}
