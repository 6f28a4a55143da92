// Package mn runs typed Go functions beyond their process: as goroutines in a unit
// test, and on machines brought up for them, with no change to the code.
//
// # Definitions
//
// A [Function] is a remote call. A [Job] is a long workflow that yields results while
// it runs. Both are package variables: a name, a handler, and the hardware it needs.
//
//	var Suggest = mn.NewFunction("suggest", suggest, mn.CPU(16), mn.Memory(4*mn.GiB), mn.MaxWorkers(30))
//
//	var Plan = mn.NewJob("plan", plan, mn.Timeout(time.Hour))
//
//	func suggest(ctx context.Context, in Position) (Move, error) { … }
//
//	func plan(ctx context.Context, in Request, yield func([]Move) bool) error {
//		var chosen []Move
//		for move, err := range Suggest.Map(ctx, candidates(in)) { // in parallel, each on its own hardware
//			if err != nil {
//				return err
//			}
//			chosen = append(chosen, move)
//			if !yield(chosen) { // every reader sees it from now on
//				return nil // cancelled, timed out or moved: unwind
//			}
//		}
//		return nil
//	}
//
// # Apps
//
// An [App] binds definitions to a backend, which holds the state, and to a provisioner,
// which brings workers to life. By default both are this process.
//
//	app, err := mn.New(mn.Config{Name: "chess", Definitions: []mn.Definition{Plan, Suggest}})
//	defer app.Shutdown(ctx)
//
//	plans := Plan.On(app)
//	id, err := plans.Start(ctx, Request{N: 5}, mn.WithLock("board/42"))
//	for info, err := range plans.Watch(ctx, id) { … } // live, from any process
//	moves, err := plans.Wait(ctx, id)
//
// Inside a handler ctx carries the app, so Suggest.Map(ctx, …) needs no On.
//
// # A job's life
//
//	PENDING ──▶ RUNNING ──▶ SUCCEEDED, or FAILED (error, panic, timeout, worker lost)
//	   │  ▲       │ │
//	   │  └ retry ┘ └ cancel ──▶ CANCELLING ──▶ CANCELLED
//	   └ cancel ──▶ CANCELLED
//
// A terminal state never changes. Data lives until [Job.Remove]; nothing expires.
// What is PENDING says why in [JobInfo].Reason.
//
// Cancelling ends the handler's context with [ErrJobCancelled] as its [context.Cause],
// and its yield returns false. It then has its [CancellationGrace] to clean up, with
// [CleanupContext]; after that it is ended by force. The same goes for [Timeout]. Go
// cannot kill a goroutine: one that ignores its context is left behind, logged, and
// nothing it does is stored any more.
//
// A crash is FAILED with [ErrWorkerLost], unless [Retries] says otherwise: then
// [LastYield] gives the next attempt what the last one had reached.
//
// # Guarantees
//
// A job has at most one live attempt per lease and exactly one ending. A function's
// code may run more than once, its result is recorded once. Locks ([WithLock],
// [TryLock]) are freed exactly with the ending; they are as strong as a lease, and
// [FencingToken] is for resources that need more. A cancel cannot get lost.
//
// # To see and to operate
//
// [Logger] writes to the run's log, which [App.Logs] follows from anywhere. A job that yields
// [Progress] is drawn as a bar. [App.Inspect] reads and operates a whole namespace without its
// types; package dashboard and the command mn are made of it. Config.Telemetry takes traces and
// metrics, as package telemetry does with OpenTelemetry.
//
// # Tests
//
// [Job.Local] and [Function.Local] run a handler as it is. Package mntest runs whole
// apps on memory, also inside a testing/synctest bubble, and injects faults.
package mn
