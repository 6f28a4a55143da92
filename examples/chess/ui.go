package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/multinode/mn"
	"github.com/multinode/mn/dashboard"
)

// withUI calls main while the dashboard is served at addr, and then keeps it open until ctx
// ends, so that one can look at a run that is over. With "" it only calls main.
func withUI(ctx context.Context, addr string, app *mn.App, out io.Writer, main func() error) error {
	if addr == "" {
		return main()
	}
	l, err := dashboard.Listen(addr)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // to the end of a cancelled run
	defer stop()
	ended := make(chan error, 1)
	ui := dashboard.Handler(app, dashboard.Authorize(func(*http.Request, dashboard.Action) error { return nil }))
	go func() { ended <- ui.Serve(serving, l) }()
	fmt.Fprintf(out, "dashboard: http://%s\n", l.Addr().(*net.TCPAddr))
	failed := main()
	if ctx.Err() == nil {
		fmt.Fprintln(out, "the dashboard stays open until Ctrl-C")
		select {
		case <-ctx.Done():
		case err := <-ended:
			return errors.Join(failed, err)
		}
	}
	stop()
	return errors.Join(failed, <-ended)
}
