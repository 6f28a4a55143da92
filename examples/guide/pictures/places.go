package pictures

// drawPlaces shows one program in the three places where it can run.
func drawPlaces() string {
	c := newCanvas("One program, three places", "The same program as one process with goroutines and memory; as several processes around a Redis; and "+
		"with workers as allocations of a Nomad cluster.")
	c.text(20, 30, "head", "The same program in three places: only mn.Config differs")
	panel := func(x float64, title, config, second string) {
		c.rect(x, 46, 232, 262, 9, "panel")
		c.middle(x+116, 68, "strong", title)
		c.middle(x+116, 284, "small code dim", config)
		c.middle(x+116, 299, "small code dim", second)
	}
	panel(16, "one process", "mn.Config{…}", "the default")
	c.rect(36, 84, 192, 178, 8, "plain")
	c.text(46, 102, "small dim", "your program")
	c.box(46, 112, 172, 34, "violet", "memory")
	c.box(46, 162, 80, 34, "blue", "job")
	for i := range 3 {
		c.box(138, 162+float64(i)*32, 80, 26, "blue", "function")
	}
	c.text(46, 222, "small dim", "workers are")
	c.text(46, 237, "small dim", "goroutines")

	panel(264, "processes of one machine", "Backend: redis", "Provisioner: process")
	c.box(284, 84, 192, 38, "plain", "your program")
	c.box(320, 146, 120, 34, "violet", "Redis")
	c.arrow(380, 122, 380, 146, "line", "")
	for i := range 3 {
		x := 284 + float64(i)*68
		c.box(x, 206, 58, 46, "blue", "worker", "process")
		c.arrow(x+29, 206, 346+float64(i)*34, 180, "line", "")
	}

	panel(512, "a cluster", "Backend: redis", "Provisioner: nomad")
	c.box(532, 84, 86, 38, "plain", "service")
	c.box(638, 84, 86, 38, "plain", "scheduler")
	c.box(532, 146, 86, 34, "violet", "Redis")
	c.box(638, 146, 86, 34, "green", "Nomad")
	c.arrow(575, 122, 575, 146, "line", "")
	c.arrow(681, 122, 681, 146, "line", "")
	c.arrow(638, 122, 606, 144, "line", "")
	for i := range 3 {
		x := 532 + float64(i)*68
		c.box(x, 206, 58, 46, "blue", "worker", []string{"node 1", "node 1", "node 2"}[i])
		c.arrow(681, 180, x+38, 204, "green", "dash")
		c.arrow(x+20, 206, 558+float64(i)*18, 182, "line", "")
	}
	return c.svg(324)
}

// drawRedis shows who connects to Redis, and what is kept there.
func drawRedis() string {
	c := newCanvas("Processes around one Redis", "A service with provisioner.None starts and watches jobs. A worker program executes them, as goroutines "+
		"or in child processes. All state of one app name is under one hash tag of Redis.")
	c.text(20, 30, "head", "Processes of one app name share what is in Redis")
	c.rect(16, 48, 210, 206, 9, "panel")
	c.middle(121, 70, "strong", "services")
	c.box(36, 84, 170, 60, "plain", "web server 1", "starts, watches, cancels")
	c.box(36, 156, 170, 60, "plain", "web server 2", "starts, watches, cancels")
	c.middle(121, 240, "small code dim", "provisioner.None")
	c.rect(286, 48, 188, 206, 9, "panel")
	c.middle(380, 70, "strong", "Redis")
	for i, what := range []string{"jobs, calls, results", "queues and idle workers", "leases, locks, sessions", "logs, statistics"} {
		c.rect(302, 82+float64(i)*35, 156, 28, 5, "violet")
		c.middle(380, 100.5+float64(i)*35, "small", what)
	}
	c.middle(380, 240, "small code dim", "mn:{NAME}:…")
	c.rect(534, 48, 210, 206, 9, "panel")
	c.middle(639, 70, "strong", "workers")
	c.box(554, 84, 170, 44, "plain", "worker program", "launches what is needed")
	for i := range 3 {
		x := 554 + float64(i)*60
		c.box(x, 160, 50, 44, "blue", "", "")
		c.middle(x+25, 186, "small", "worker")
		c.arrow(639, 128, x+25, 160, "green", "dash")
	}
	c.middle(639, 240, "small code dim", "local or process")
	for _, y := range []float64{114, 186} {
		c.arrow(206, y, 286, (y+151)/2, "blue", "")
	}
	c.arrow(554, 106, 474, 122, "blue", "")
	c.arrow(554, 182, 474, 170, "blue", "")
	return c.svg(270)
}

// drawNomad shows how a worker comes to life on a cluster.
func drawNomad() string {
	c := newCanvas("From a start to a worker on Nomad", "A start queues a task in Redis. A scheduler reserves a slot there and dispatches the definition's parameterized job with the "+
		"slot as idempotency token. Nomad places an allocation, which runs the same program with MN_WORKER set; it claims the task from Redis.")
	c.text(20, 30, "head", "From a start to a worker")
	c.box(24, 60, 150, 64, "plain", "client", "provisioner.None")
	c.box(24, 206, 150, 64, "plain", "scheduler", "app.Run(ctx,", "app.Schedule)")
	c.box(300, 60, 160, 64, "violet", "Redis", "slots, queues, leases")
	c.box(300, 206, 160, 64, "green", "Nomad servers", "one parameterized job", "for each definition")
	c.rect(560, 48, 184, 240, 9, "panel")
	c.middle(652, 280, "small dim", "nodes")
	c.box(580, 60, 144, 64, "blue", "worker", "this program,", "MN_WORKER=pool/slot")
	c.box(580, 144, 144, 40, "blue", "worker")
	c.box(580, 206, 144, 52, "grey", "free room", "for the next")
	c.arrow(174, 84, 300, 84, "blue", "")
	c.middle(237, 78, "small", "1  start")
	c.middle(237, 102, "small dim", "the task is queued")
	c.curve(300, 118, 240, 150, 130, 150, 110, 206, "violet")
	c.text(216, 168, "small", "2  a worker is needed:")
	c.text(216, 183, "small dim", "the scheduler reserves a slot")
	c.arrow(174, 240, 300, 240, "green", "")
	c.middle(237, 233, "small", "3  dispatch")
	c.middle(237, 257, "small dim", "token: the slot")
	c.curve(460, 232, 520, 220, 520, 120, 580, 112, "green")
	c.text(468, 256, "small", "4  a node")
	c.text(468, 270, "small dim", "with room")
	c.arrow(580, 80, 460, 80, "blue", "")
	c.middle(520, 74, "small", "5  claim,")
	c.middle(520, 98, "small", "yield, end")
	return c.svg(304)
}
