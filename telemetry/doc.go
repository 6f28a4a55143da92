// Package telemetry gives apps of package mn traces and metrics by OpenTelemetry.
//
//	t, err := telemetry.New() // with otel's global providers
//	app, err := mn.New(mn.Config{Name: "chess", Telemetry: t, …})
//
// # Traces
//
// A start or call is a PRODUCER span, which ends when the run is stored or the call's
// result has come. Each attempt is a CONSUMER span, in whichever process it is made. The
// context travels with the task through the backend, so that both are of one trace:
//
//	start plan ── process plan ┬─ call suggest ── process suggest
//	                           └─ call suggest ── process suggest    (worker lost: no span)
//	                                          └── process suggest    (mn.attempt = 2)
//
// The handler's context carries the attempt's span, and the caller's baggage.
//
// # Metrics
//
// Every process counts and times what it sends and executes itself. [Telemetry.Observe] adds
// what the backend knows of the whole namespace: queues, workers, jobs.
//
// Names are those of the semantic conventions for messaging, version 1.43.0, where there
// are any, and begin with "mn." otherwise. docs/telemetry.md lists them all.
package telemetry
