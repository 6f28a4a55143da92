package nomad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

// specOf generates a pool's job, or returns the one that was.
func (p *Provisioner) specOf(pl *pool, r provisioner.Resources) (*spec, error) {
	p.mu.Lock()
	s, same := pl.spec, pl.res == r
	p.mu.Unlock()
	if s != nil && same {
		return s, nil
	}
	s, err := p.cfg.newSpec(p.app, pl.name, r)
	if err != nil {
		return nil, &refusal{err.Error()}
	}
	p.mu.Lock()
	pl.spec, pl.res = s, r
	p.mu.Unlock()
	return s, nil
}

// Deploy implements [provisioner.Deployer]: it registers one parameterized job for each
// pool, and changes nothing where Nomad has it already. Any number of processes may do so at the
// same time; if their specifications differ, the last one's is in force. The token needs
// submit-job and read-job. When ctx is done it registers no more, and the error wraps that of ctx.
func (p *Provisioner) Deploy(ctx context.Context, pools map[string]provisioner.Resources) error {
	p.warnOfUnknown(pools)
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		p.mu.Lock()
		open, pl := p.host != nil, p.poolOf(name)
		p.mu.Unlock()
		if !open {
			return errors.New("nomad: the provisioner is not open")
		}
		if err := ctx.Err(); err != nil {
			failed = append(failed, fmt.Errorf("nomad: the job %q and those after it are not registered: %w", pl.job, err))
			break
		}
		if err := p.deploy(ctx, pl, pools[name]); err != nil {
			failed = append(failed, p.undeployed(ctx, pl, err))
		}
	}
	return errors.Join(failed...)
}

// warnOfUnknown warns of placements that are nobody's: their names may be mistyped, and the
// definition's workers then get Config.Placement.
func (p *Provisioner) warnOfUnknown(pools map[string]provisioner.Resources) {
	for _, name := range slices.Sorted(maps.Keys(p.cfg.Pools)) {
		if _, ok := pools[name]; !ok {
			p.cfg.Logger.Warn("mn: Config.Pools of the Nomad provisioner names no definition that the app has a handler for; is it mistyped?",
				"name", name, "definitions", slices.Sorted(maps.Keys(pools)))
		}
	}
}

// undeployed words why a pool's job is not registered.
func (p *Provisioner) undeployed(ctx context.Context, pl *pool, err error) error {
	what := fmt.Sprintf("nomad: the job %q cannot be registered", pl.job)
	over := ctx.Err()
	if over == nil || isFinal(err) {
		return &explained{p.explain(what, err), err}
	}
	return &explained{p.clean(fmt.Sprintf("%s: %v (the last try: %v)", what, over, err)), over}
}

// deploy registers one pool's job, also where somebody has stopped it.
func (p *Provisioner) deploy(ctx context.Context, pl *pool, r provisioner.Resources) error {
	s, err := p.specOf(pl, r)
	if err != nil {
		return err
	}
	pl.registering.Lock()
	defer pl.registering.Unlock()
	for try := 0; ; try++ {
		err = p.register(ctx, s, true)
		if err == nil {
			pl.registered = s.hash
			return nil
		}
		if isFinal(err) || try == 5 || !pause(ctx, try) {
			return err
		}
	}
}

// hold returns when Nomad has the specification, registering it if need be, and keeps this process
// from registering another one until release is called.
func (p *Provisioner) hold(ctx context.Context, pl *pool, s *spec) (release func(), err error) {
	for {
		pl.registering.RLock()
		if pl.registered == s.hash {
			return pl.registering.RUnlock, nil
		}
		pl.registering.RUnlock()
		pl.registering.Lock()
		if pl.registered != s.hash {
			if err = p.register(ctx, s, false); err == nil {
				pl.registered = s.hash
			}
		}
		pl.registering.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// unregistered notes that Nomad has lost a pool's job.
func (pl *pool) unregistered() {
	pl.registering.Lock()
	pl.registered = ""
	pl.registering.Unlock()
}

// races is how often a registration is tried while others change the same job.
const races = 20

// register brings the specification into force by compare-and-set. With deploy, also where
// the job was stopped; without, a job that this process has no right to replace will do.
func (p *Provisioner) register(ctx context.Context, s *spec, deploy bool) error {
	var err error
	for range races {
		var index uint64
		var done bool
		if index, done, err = p.registered(ctx, s, deploy); done || err != nil {
			return err
		}
		if err = p.submit(ctx, s, index); isForbidden(err) && !deploy {
			return p.makeDo(s, index)
		}
		if !isConflict(err) {
			return err
		}
	}
	return err
}

// registered looks at the job that Nomad has: whether it is as it should be, or else the index at
// which it may be replaced; 0 if there is none.
func (p *Provisioner) registered(ctx context.Context, s *spec, deploy bool) (index uint64, done bool, err error) {
	have, err := p.jobInfo(ctx, *s.job.ID)
	if isMissing(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	switch owned := s.owned(have); {
	case owned != nil:
		return 0, false, &refusal{owned.Error()}
	case stopped(have) && !deploy:
		return 0, false, &refusal{fmt.Sprintf("the Nomad job %q was stopped by an operator: run app.Deploy to bring it back", *s.job.ID)}
	}
	return *have.JobModifyIndex, have.Meta[metaSpec] == s.hash && !stopped(have), nil
}

// makeDo is for a token that may not register: another specification of the job will do.
func (p *Provisioner) makeDo(s *spec, index uint64) error {
	if index == 0 {
		return &refusal{fmt.Sprintf("Nomad has no job %q, and this token may not register it: run app.Deploy first, in namespace %q, with a token that has submit-job",
			*s.job.ID, p.namespace())}
	}
	p.cfg.Logger.Warn("mn: the Nomad job is another than this program would register, and its token may not: run app.Deploy",
		"job", *s.job.ID)
	return nil
}

func (p *Provisioner) jobInfo(ctx context.Context, id string) (*api.Job, error) {
	ctx, cancel := request(ctx)
	defer cancel()
	have, _, err := p.client.Jobs().Info(id, new(api.QueryOptions).WithContext(ctx))
	if err == nil && (have.ID == nil || have.JobModifyIndex == nil) {
		return nil, fmt.Errorf("the answer about job %q is not Nomad's", id)
	}
	return have, err
}

func (p *Provisioner) submit(ctx context.Context, s *spec, index uint64) error {
	ctx, cancel := request(ctx)
	defer cancel()
	_, _, err := p.client.Jobs().EnforceRegister(s.job, index, new(api.WriteOptions).WithContext(ctx))
	return err
}
