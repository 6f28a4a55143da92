package mn

import (
	"context"
	"fmt"

	"github.com/multinode/mn/provisioner"
)

// Deploy registers the definitions that have a handler with the platform of
// Config.Provisioner, if that wants to know them beforehand: provisioner/nomad then needs a
// token that may submit jobs here, and one that may only dispatch them where the app runs.
// It blocks for exchanges with the platform and may be repeated, also by many processes at once;
// what has not changed is left alone. For provisioners without such a step it does nothing.
func (a *App) Deploy(ctx context.Context) error {
	if err := a.open(); err != nil {
		return err
	}
	d, ok := a.cfg.Provisioner.(provisioner.Deployer)
	if !ok {
		return nil
	}
	if err := d.Deploy(ctx, a.scaler.Pools); err != nil {
		return fmt.Errorf("mn: deploy of app %q: %w", a.cfg.Name, err)
	}
	return nil
}

// Schedule launches the workers that other apps of the name need, until ctx is done or the app
// is shut down, and blocks as long. An app does so all the time; Schedule is the main of a program
// that does nothing else, for clients that have provisioner.None because they may not, or cannot,
// launch workers. Any number of schedulers may run: slots are reserved in the backend.
//
//	app.Run(ctx, app.Schedule)
//
// It returns nil when ctx is done, ErrAppClosed after a shutdown, and an error at once where the
// app can launch nothing.
func (a *App) Schedule(ctx context.Context) error {
	switch {
	case a.cfg.Provisioner == provisioner.None:
		return fmt.Errorf("mn: app %q cannot schedule: its provisioner is provisioner.None, which launches nothing", a.cfg.Name)
	case len(a.scaler.Pools) == 0:
		return fmt.Errorf("mn: app %q cannot schedule: none of its definitions has a handler", a.cfg.Name)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-a.closed:
		return ErrAppClosed
	}
}
