package main

import "context"

// number is the input and the output of everything that is measured, as small as can be.
type number struct{ N int }

// peer is one engine, opened, with a worker that gives back the number it gets.
type peer interface {
	// do does one piece of work and returns its answer.
	do(ctx context.Context, n int) (int, error)
	// batch does n pieces in the way that is fastest for the engine, and returns
	// when all answers are there.
	batch(ctx context.Context, n int) error
	// close stops the engine; nothing is under way by then.
	close(ctx context.Context) error
}

// server is what a driver needs beside this process.
type server string

const (
	redisServer    server = "redis-server"
	postgresServer server = "PostgreSQL"
)

// driver is one row of the table.
type driver struct {
	name   string
	module string // whose version is printed; "" for the floor
	needs  server
	open   func(ctx context.Context, s *servers) (peer, error)
	// handsOver says that the work goes through the server to a worker, which may be in
	// any process. Where it does not, the row is for information.
	handsOver bool
	traits    traits
}

// traits are what the measured work has and has not, in words.
type traits struct {
	settings     string // what differs from the defaults
	end          string // how the caller learns the end
	durability   string
	result       string
	retries      string
	cancellation string
	fencing      string
}

// floorName is the row that the others are compared with.
const floorName = "floor"

// drivers are all rows, in the order of the table.
var drivers = []*driver{
	&floorDriver, &mnDriver, &mnJobDriver,
	&asynqDriver, &asynqStoredDriver,
	&workflowDriver, &activityDriver,
	&riverDriver, &riverEventsDriver,
	&dbosQueueDriver, &dbosDirectDriver,
}
