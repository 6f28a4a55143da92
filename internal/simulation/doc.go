// Package simulation is a Nomad cluster that needs no machines: its servers' log, its
// schedulers, its nodes and what goes wrong with them take the time of the clock, and inside a
// bubble of testing/synctest an hour of that passes in seconds. It is an [http.RoundTripper], so
// that provisioner/nomad dispatches to it as to a real cluster, and what it runs is whatever the
// caller says: whole apps, in tests.
//
// Beside it are a backend that counts what passes through it and checks limits, and the model
// that says how long work must take at least. TestScale of provisioner/nomad puts them
// together; docs/scale.md tells what came out.
package simulation
