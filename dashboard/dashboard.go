package dashboard

import (
	"context"
	"net/http"
	"sync"

	"github.com/multinode/mn"
)

// Dashboard is an [http.Handler]. It may serve any number of requests at the same time.
type Dashboard struct {
	app     *mn.App
	inspect *mn.Inspector
	cfg     config
	origin  *http.CrossOriginProtection
	mux     *http.ServeMux
	sampler *sampler
	hub     *hub
	bulk    *operations

	lifetime context.Context
	end      context.CancelFunc
	work     sync.WaitGroup // goroutines: the sampler, feeds, bulk operations
	closing  sync.Mutex     // guards closed, and work.Add against work.Wait
	closed   bool
}

// Handler returns the dashboard of an app, which may be one that only inspects, with
// provisioner.None. It does nothing until it is asked. Close it before the app.
func Handler(app *mn.App, opts ...Option) *Dashboard {
	d := &Dashboard{app: app, inspect: app.Inspect(), origin: http.NewCrossOriginProtection()}
	for _, o := range opts {
		o.set(&d.cfg)
	}
	for _, origin := range d.cfg.origins {
		if err := d.origin.AddTrustedOrigin(origin); err != nil {
			panic("dashboard: TrustedOrigin: " + err.Error())
		}
	}
	d.lifetime, d.end = context.WithCancel(context.Background())
	d.sampler = newSampler(d.inspect.Definitions, d.spawn)
	d.hub = newHub(d)
	d.bulk = newOperations(d)
	d.mux = d.routes()
	return d
}

// Close ends all streams and bulk operations, waits for the dashboard's goroutines, and
// answers later requests with 503. An http.Server's Shutdown waits for streams too: call
// Close first, or register it by RegisterOnShutdown. Closing again does nothing. The error
// is always nil.
func (d *Dashboard) Close() error {
	d.closing.Lock()
	d.closed = true
	d.closing.Unlock()
	d.end()
	d.work.Wait()
	return nil
}

// spawn runs f on a goroutine that Close waits for, with a context that Close ends. It
// reports false, and runs nothing, once the dashboard is closed.
func (d *Dashboard) spawn(f func(ctx context.Context)) bool {
	d.closing.Lock()
	defer d.closing.Unlock()
	if d.closed {
		return false
	}
	d.work.Go(func() { f(d.lifetime) })
	return true
}

// ServeHTTP implements [http.Handler].
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	switch {
	case r.URL.Path == "":
		redirectToRoot(w, r)
	case d.lifetime.Err() != nil:
		d.fail(w, r, problem{http.StatusServiceUnavailable, "This dashboard was closed."})
	case !clean(r.URL.Path):
		d.fail(w, r, notFound)
	default:
		d.mux.ServeHTTP(w, r)
	}
}
