package mn

import (
	"context"
	"testing"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// doNothing is a Telemetry that is not interested.
type doNothing struct{}

func (doNothing) Send(context.Context, Operation) (string, func(error)) {
	return "", func(error) {}
}

func (doNothing) Execute(ctx context.Context, _ Execution) (context.Context, func(error)) {
	return ctx, nil
}

func TestWithoutTelemetryNothingIsAllocatedForIt(t *testing.T) {
	d := &definition{name: "f", kind: backend.Function, invoke: func(*App, *worker.Attempt) ([]byte, error) { return nil, nil }}
	sub := backend.Submission{ID: "1"}
	at := &worker.Attempt{Assignment: new(backend.Assignment)}
	off, on := new(App), &App{cfg: Config{Telemetry: doNothing{}}}
	send := func(a *App) func() { return func() { a.traceSend(context.Background(), d, &sub) } }
	if n := testing.AllocsPerRun(100, send(off)); n != 0 {
		t.Errorf("a start or call allocates %g times without telemetry", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = off.execute(d, at) }); n != 0 {
		t.Errorf("an attempt allocates %g times without telemetry", n)
	}
	if testing.AllocsPerRun(100, send(on)) == 0 {
		t.Error("nothing is allocated with telemetry either: this test sees nothing")
	}
}
