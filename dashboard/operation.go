package dashboard

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var operationPage = &page{name: "operation", nav: "jobs", every: 500 * time.Millisecond, open: openOperation}

type operationView struct {
	operationState
	ID     string
	Verb   Verb
	DryRun bool
	Filter filter
	Back   string // query of the list of the runs
	Past   string // "cancelled"
}

type operationSource struct{ op *operation }

func openOperation(d *Dashboard, r *http.Request) (source, error) {
	op, err := d.bulk.find(r.PathValue("op"))
	return operationSource{op}, err
}

var pastForms = map[Verb]string{Cancel: "cancelled", Retry: "retried", Remove: "removed"}

func (s operationSource) read(context.Context) (any, error) {
	op := s.op
	op.mu.Lock()
	defer op.mu.Unlock()
	return &operationView{
		operationState: op.operationState, ID: op.id, Verb: op.verb, DryRun: op.dryRun, Filter: op.filter,
		Back: op.filter.words().Encode(), Past: pastForms[op.verb],
	}, nil
}

// Live reports whether it goes on.
func (v *operationView) Live() bool { return v.Ended.IsZero() }

// Seen is how many runs it has dealt with.
func (v *operationView) Seen() int { return v.Done + v.Failed }

// Most is the end of its bar.
func (v *operationView) Most() int { return max(v.Total, v.Seen(), 1) }

// Title is the action in a word.
func (v *operationView) Title() string {
	return strings.ToUpper(string(v.Verb[:1])) + string(v.Verb[1:])
}

// Fields are the filter and the count as hidden fields of the form that goes on from a dry run.
func (v *operationView) Fields() [][2]string {
	j := jobsView{Filter: v.Filter}
	return append(j.Fields(), [2]string{"verb", string(v.Verb)}, [2]string{"total", strconv.Itoa(v.Seen())})
}

// Words describe the filter.
func (v *operationView) Words() []string {
	f := &v.Filter
	words := []string{"any definition"}
	if f.Definition != "" {
		words[0] = "definition " + f.Definition
	}
	for _, s := range f.Statuses {
		words = append(words, "status "+string(s))
	}
	for _, w := range [][2]string{{"ID contains ", f.Text}, {"from ", f.FromText}, {"to ", f.ToText}, {"of the last ", f.Since}} {
		if w[1] != "" {
			words = append(words, w[0]+w[1])
		}
	}
	return words
}
