package main

import "fmt"

// row is one measure's result, as -json prints it. What a measure does not have is
// null, or "–" in the table.
type row struct {
	Measure string   `json:"measure"`
	Backend string   `json:"backend"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Floor   *float64 `json:"floor"`
	Ratio   *float64 `json:"ratio"`
	Target  *float64 `json:"target"`
	Met     *bool    `json:"met"`

	atLeast bool // the target is a lower bound
}

func newRow(m *measure, backend string, res result) row {
	r := row{Measure: m.name, Backend: backend, Value: res.value, Unit: m.unit, atLeast: m.atLeast}
	ratio, ok := res.ratio()
	if !ok {
		return r
	}
	r.Floor, r.Ratio = &res.floor, &ratio
	if m.target > 0 {
		met := m.met(ratio)
		r.Target, r.Met = &m.target, &met
	}
	return r
}

// missed reports whether there is a target and it was not reached.
func (r *row) missed() bool { return r.Met != nil && !*r.Met }

// cells are the columns of the table.
func (r *row) cells() [columns]string {
	const none = "–"
	c := [columns]string{r.Measure, r.Backend, figure(r.Value), r.Unit, none, none, none, none}
	if r.Floor != nil {
		c[4], c[5] = figure(*r.Floor), fmt.Sprintf("%.2f", *r.Ratio)
	}
	if r.Target != nil {
		bound := "≤"
		if r.atLeast {
			bound = "≥"
		}
		c[6] = fmt.Sprintf("%s %.2f", bound, *r.Target)
		c[7] = "yes"
		if r.missed() {
			c[7] = "no"
		}
	}
	return c
}

// figure writes three digits or more: 1.23, 12.3, 123, 123456.
func figure(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
