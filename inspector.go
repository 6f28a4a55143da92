package mn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/multinode/mn/backend"
)

// Inspector reads and operates everything in an app's namespace without knowing its types:
// values are JSON. It is what dashboards and command-line tools are made of. Get one from
// [App.Inspect]; all methods may be called concurrently and block for exchanges with the
// backend.
//
// It needs a codec that turns JSON into values and back, as [JSON] and [Encrypted] with JSON
// inside do. Values of other codecs are left out and Run.Unreadable says why.
type Inspector struct{ app *App }

// Inspect returns the app's inspector. An app that only inspects needs no Definitions: with
// provisioner.None they may be empty.
func (a *App) Inspect() *Inspector { return &Inspector{app: a} }

// job is an untyped view of a job's definition, which this program may not have.
func (in *Inspector) job(name string) *Job[json.RawMessage, json.RawMessage] {
	d := &jobDefinition[json.RawMessage, json.RawMessage]{}
	d.name, d.kind, d.untyped = name, backend.Job, true
	return &Job[json.RawMessage, json.RawMessage]{def: d, app: in.app}
}

func (in *Inspector) function(name string) *Function[json.RawMessage, json.RawMessage] {
	d := &functionDefinition[json.RawMessage, json.RawMessage]{}
	d.name, d.kind, d.untyped = name, backend.Function, true
	return &Function[json.RawMessage, json.RawMessage]{def: d, app: in.app}
}

// owner finds the job to which a run belongs.
func (in *Inspector) owner(ctx context.Context, id JobID) (*Job[json.RawMessage, json.RawMessage], *backend.Task, error) {
	tasks, err := in.get(ctx, []string{string(id)})
	if err == nil && (!id.valid() || tasks[0] == nil || tasks[0].Kind != backend.Job) {
		err = backend.ErrNotFound
	}
	if err != nil {
		return nil, nil, outward(err, "job "+string(id))
	}
	return in.job(tasks[0].Pool), tasks[0], nil
}

func (in *Inspector) get(ctx context.Context, ids []string) ([]*backend.Task, error) {
	return exchange(ctx, in.app, func(ctx context.Context) ([]*backend.Task, error) {
		return in.app.store.Get(ctx, ids)
	})
}

// Start starts a job by the name of its definition, see [Job.Start]. ErrUnknownDefinition if
// no app of the namespace has ever had a handler for it.
func (in *Inspector) Start(ctx context.Context, name string, input json.RawMessage, opts ...StartOption) (JobID, error) {
	if err := in.usable(ctx, name, backend.Job, input); err != nil {
		return "", err
	}
	return in.job(name).Start(ctx, input, opts...)
}

// Call calls a function by the name of its definition, see [Function.Call].
// ErrUnknownDefinition if no app of the namespace has ever had a handler for it.
func (in *Inspector) Call(ctx context.Context, name string, input json.RawMessage) (json.RawMessage, error) {
	if err := in.usable(ctx, name, backend.Function, input); err != nil {
		return nil, err
	}
	return in.function(name).Call(ctx, input)
}

// usable checks what a typed definition would have made sure.
func (in *Inspector) usable(ctx context.Context, name string, kind backend.Kind, input json.RawMessage) error {
	if !json.Valid(input) {
		return fmt.Errorf("mn: input of %s %q is not JSON: %.80q", kind, name, input)
	}
	infos, err := in.Definitions(ctx)
	if err != nil {
		return err
	}
	for _, d := range infos {
		if d.Name != name || !d.Declared {
			continue
		}
		if d.Kind != kind.String() {
			return fmt.Errorf("mn: %q is a %s, not a %s", name, d.Kind, kind)
		}
		return nil
	}
	return &unknownName{fmt.Sprintf("mn: no program of app %q has had a %s %q with a handler yet: check the name, or start the program that has it",
		in.app.cfg.Name, kind, name)}
}

// unknownName is ErrUnknownDefinition for who has the name alone, and so needs another remedy.
type unknownName struct{ text string }

func (e *unknownName) Error() string { return e.text }

// Is makes errors.Is(err, ErrUnknownDefinition) true.
func (e *unknownName) Is(target error) bool { return target == ErrUnknownDefinition }

// Cancel is [Job.Cancel] for a run of any definition.
func (in *Inspector) Cancel(ctx context.Context, id JobID) error {
	if _, _, err := in.owner(ctx, id); err != nil {
		return err
	}
	return in.app.cancelRun(ctx, id)
}

// Remove is [Job.Remove] for a run of any definition.
func (in *Inspector) Remove(ctx context.Context, id JobID) error {
	_, _, err := in.owner(ctx, id)
	switch {
	case errors.Is(err, ErrJobDoesNotExist):
		return nil
	case err != nil:
		return err
	}
	return in.app.removeRun(ctx, id)
}

// ErrNotEnded is what [Inspector.Retry] returns for a run that has not ended.
var ErrNotEnded = errors.New("the run has not ended: cancel it first, or wait")

// Retry starts a new run with the input of one that has ended, and returns the new run's ID;
// the old one stays as it is. Locks are not taken again: name those it needs by [WithLock].
// ErrJobDoesNotExist, ErrNotEnded, and those of [Job.Start].
func (in *Inspector) Retry(ctx context.Context, id JobID, opts ...StartOption) (JobID, error) {
	j, t, err := in.owner(ctx, id)
	if err != nil {
		return "", err
	}
	if !t.Status.Terminal() {
		return "", fmt.Errorf("mn: retry of job %q %s, which is %s: %w", t.Pool, id, t.Status, ErrNotEnded)
	}
	var input json.RawMessage
	if err := in.app.decode(j.def.place(in.app, t.ID, fieldIn), t.Input, &input); err != nil {
		return "", fmt.Errorf("mn: retry of job %q %s: %w", t.Pool, id, err)
	}
	return j.Start(ctx, input, opts...)
}

// Watch is [Job.Watch] for a run of any definition.
func (in *Inspector) Watch(ctx context.Context, id JobID) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		j, _, err := in.owner(ctx, id)
		if err != nil {
			yield(Run{}, err)
			return
		}
		for version := uint64(0); ; {
			t, err := j.await(ctx, in.app, id, backend.Until{After: version})
			if err != nil {
				yield(Run{}, err)
				return
			}
			version = t.Version
			if !yield(in.run(t), nil) || t.Status.Terminal() {
				return
			}
		}
	}
}

// YieldInfo is one kept yield of a run.
type YieldInfo struct {
	Number uint64          `json:"number"`
	Value  json.RawMessage `json:"value"`
}

// Yields reads the kept yields of a run that are numbered above after, oldest first, at most
// limit (0 means 100): those that [KeepYields] keeps. ErrJobDoesNotExist.
func (in *Inspector) Yields(ctx context.Context, id JobID, after uint64, limit int) ([]YieldInfo, error) {
	j, _, err := in.owner(ctx, id)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = backend.DefaultPage
	}
	page, err := exchange(ctx, in.app, func(ctx context.Context) ([]backend.Yield, error) {
		return in.app.store.Yields(ctx, string(id), after, limit)
	})
	if err != nil {
		return nil, outward(err, "job "+string(id))
	}
	infos := make([]YieldInfo, len(page))
	for i, y := range page {
		infos[i].Number = y.Number
		if err := in.app.decode(j.def.place(in.app, string(id), fieldOut), y.Data, &infos[i].Value); err != nil {
			return nil, fmt.Errorf("mn: job %q %s: %w", j.def.name, id, err)
		}
	}
	return infos, nil
}

// Locks reads one page of held locks, in key order: keys above after, at most limit.
func (in *Inspector) Locks(ctx context.Context, after string, limit int) ([]LockInfo, error) {
	page, err := exchange(ctx, in.app, func(ctx context.Context) ([]backend.LockInfo, error) {
		return in.app.store.Locks(ctx, after, limit)
	})
	if err != nil {
		return nil, outward(err, "list of locks")
	}
	infos := make([]LockInfo, len(page))
	for i, l := range page {
		infos[i] = LockInfo{Key: l.Key, Holder: JobID(l.Holder)}
	}
	return infos, nil
}

// WorkerInfo is one worker as seen at one moment.
type WorkerInfo struct {
	ID         string   `json:"id"`
	Definition string   `json:"definition"`
	State      string   `json:"state"`           // "starting", "idle" or "busy"
	Process    string   `json:"process"`         // in which it lives, or that launches it: "host:pid"
	Tasks      []string `json:"tasks,omitempty"` // runs and calls that it executes
}

// Workers reads one page of a definition's workers. Workers that come or go meanwhile may make
// others be missed or come twice.
func (in *Inspector) Workers(ctx context.Context, definition string, offset, limit int) ([]WorkerInfo, error) {
	page, err := exchange(ctx, in.app, func(ctx context.Context) ([]backend.WorkerInfo, error) {
		return in.app.store.Workers(ctx, definition, offset, limit)
	})
	if err != nil {
		return nil, outward(err, fmt.Sprintf("workers of %q", definition))
	}
	infos := make([]WorkerInfo, len(page))
	for i, w := range page {
		infos[i] = WorkerInfo{ID: w.Slot, Definition: w.Pool, State: string(w.State), Process: w.Label, Tasks: w.Tasks}
	}
	return infos, nil
}

// Stats count the attempts of a definition that have ended since its namespace began, as the
// workers have reported them up to some seconds ago: take two readings and the difference for
// rates and for quantiles of the time between.
type Stats = backend.Stats

// Histogram counts durations, see [Stats].
type Histogram = backend.Histogram

// DefinitionInfo is a definition with its settings and what goes on in it.
type DefinitionInfo struct {
	Name         string        `json:"name"`
	Kind         string        `json:"kind"` // "job" or "function"
	CPU          float64       `json:"cpu"`
	Memory       Bytes         `json:"memory"`
	Timeout      time.Duration `json:"timeout"`
	Grace        time.Duration `json:"grace"`
	Retries      int           `json:"retries"`
	MaxWorkers   int           `json:"maxWorkers"` // a job's MaxConcurrency
	SpareWorkers int           `json:"spareWorkers"`
	KeepYields   int           `json:"keepYields"`
	MaxPending   int           `json:"maxPending"`

	Declared bool           `json:"declared"` // an app with a handler has joined at some time
	Serving  bool           `json:"serving"`  // and one is there now
	Pending  int            `json:"pending"`  // tasks that wait for a worker
	Delayed  int            `json:"delayed"`  // tasks that wait for a retry
	Running  int            `json:"running"`  // tasks
	Workers  int            `json:"workers"`
	Starting int            `json:"starting"` // workers
	Idle     int            `json:"idle"`     // workers
	Blocked  string         `json:"blocked,omitempty"`
	Oldest   time.Time      `json:"oldest,omitzero"` // when the task that is next was submitted
	Jobs     map[Status]int `json:"jobs,omitempty"`  // stored runs
	Stats    Stats          `json:"stats"`
}

// Definitions reads all definitions that were ever declared or used in the namespace, in name
// order.
func (in *Inspector) Definitions(ctx context.Context) ([]DefinitionInfo, error) {
	pools, err := exchange(ctx, in.app, in.app.store.Pools)
	if err != nil {
		return nil, outward(err, "list of definitions")
	}
	infos := make([]DefinitionInfo, len(pools))
	for i := range pools {
		infos[i] = definitionInfo(&pools[i])
	}
	return infos, nil
}

func definitionInfo(p *backend.PoolInfo) DefinitionInfo {
	d := DefinitionInfo{
		Name: p.Spec.Name, Kind: p.Spec.Kind.String(), CPU: p.Spec.CPU, Memory: Bytes(p.Spec.Memory), Timeout: p.Spec.Timeout,
		Grace: p.Spec.Grace, Retries: p.Spec.Retries, MaxWorkers: p.Spec.MaxWorkers, SpareWorkers: p.Spec.Spare,
		KeepYields: p.Spec.KeepYields, MaxPending: p.Spec.MaxPending, Declared: p.Declared, Serving: p.Serving,
		Pending: p.Pending, Delayed: p.Delayed, Running: p.Running, Workers: p.Slots, Starting: p.Starting, Idle: p.Idle,
		Blocked: p.Blocked, Oldest: p.Oldest, Stats: p.Stats,
	}
	if p.Jobs != nil {
		d.Jobs = make(map[Status]int, len(p.Jobs))
		for st, n := range p.Jobs {
			d.Jobs[Status(st)] = n
		}
	}
	return d
}
