package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/multinode/mn"
)

var (
	definitionsPage = &page{name: "definitions", nav: "definitions", every: sampleEvery, counts: true, open: openDefinitions}
	definitionPage  = &page{name: "definition", nav: "definitions", every: sampleEvery, counts: true, open: openDefinition}
)

type definitionsSource struct{ d *Dashboard }

func openDefinitions(d *Dashboard, _ *http.Request) (source, error) { return definitionsSource{d}, nil }

func (s definitionsSource) read(ctx context.Context) (any, error) {
	r, err := s.d.sampler.read(ctx)
	if err != nil {
		return nil, err
	}
	return s.d.rows(r), nil
}

type definitionView struct {
	definitionRow
	Recent  []mn.Run // of a job
	Workers []mn.WorkerInfo
	More    bool // workers than are shown
}

// Ended0 is the end of what has not ended, for the template's took.
func (*definitionView) Ended0() time.Time { return time.Time{} }

type definitionSource struct {
	d    *Dashboard
	name string
}

func openDefinition(d *Dashboard, r *http.Request) (source, error) {
	return definitionSource{d, r.PathValue("name")}, nil
}

func (s definitionSource) plotted() string { return s.name }

// definitionWorkers is how many workers a definition's page shows.
const definitionWorkers = 20

func (s definitionSource) read(ctx context.Context) (any, error) {
	r, err := s.d.sampler.read(ctx)
	if err != nil {
		return nil, err
	}
	v := new(definitionView)
	for _, row := range s.d.rows(r) {
		if row.Name == s.name {
			v.definitionRow = row
		}
	}
	if v.Name == "" {
		return nil, problem{http.StatusNotFound, fmt.Sprintf("No app of this name has had a definition %.128q.", s.name)}
	}
	if v.Kind == "job" {
		page, err := s.d.inspect.Runs(ctx, mn.RunFilter{Definition: s.name, Limit: overviewRuns})
		if err != nil {
			return nil, err
		}
		v.Recent = page.Runs
	}
	if v.DefinitionInfo.Workers > 0 {
		if v.Workers, err = s.d.inspect.Workers(ctx, s.name, 0, definitionWorkers); err != nil {
			return nil, err
		}
	}
	v.More = v.DefinitionInfo.Workers > len(v.Workers)
	return v, nil
}
