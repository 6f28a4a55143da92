package guide

import (
	"context"
	"errors"
	"log"
	"net/http"

	"github.com/multinode/mn"
	"github.com/multinode/mn/dashboard"
)

// mountDashboard is a server of which the dashboard is a part.
func mountDashboard(app *mn.App) { //nolint:unused // docs/dashboard.md shows it
	ui := dashboard.Handler(app)
	defer ui.Close()
	http.Handle("/mn/", http.StripPrefix("/mn", ui))

	log.Print(http.ListenAndServe("127.0.0.1:8080", nil)) //nolint:gosec // timeouts are not what this shows
}

// serveDashboard is a dashboard that serves itself.
func serveDashboard(ctx context.Context, app *mn.App) error { //nolint:unused // docs/dashboard.md shows it
	l, err := dashboard.Listen(":8080")
	if err != nil {
		return err
	}
	return dashboard.Handler(app).Serve(ctx, l)
}

// actingDashboard is a dashboard that lets those act who may.
func actingDashboard(app *mn.App, isAdmin func(*http.Request) bool) { //nolint:unused // docs/dashboard.md shows it
	dashboard.Handler(app, dashboard.Authorize(func(r *http.Request, a dashboard.Action) error {
		if a.Verb == dashboard.Remove && !isAdmin(r) {
			return errors.New("ask an administrator")
		}
		return nil
	}))
}
