package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// floorDriver is the plainest way to have work done over Redis: LPUSH and BRPOP there,
// LPUSH and BRPOP back, one connection for each side. It is what `make bench` compares
// mn with too.
var floorDriver = driver{
	name: floorName, needs: redisServer, open: openFloor, handsOver: true,
	traits: traits{
		settings: "16 pairs, each with a connection for either side", end: "BRPOP of a result list",
		durability: "none: popped work is gone with its worker", result: "pushed", retries: "none",
		cancellation: "none", fencing: "none",
	},
}

// floor is a line for each caller.
type floor struct {
	clients []*redis.Client
	free    chan *line
}

// line carries one piece of work at a time.
type line struct {
	near, far         *redis.Client
	request, response string
}

func openFloor(ctx context.Context, s *servers) (peer, error) {
	f := &floor{free: make(chan *line, callers)}
	for i := range callers {
		near, err := s.redis(1)
		if err != nil {
			return nil, errors.Join(err, f.close(ctx))
		}
		far, err := s.redis(1)
		if err != nil {
			return nil, errors.Join(err, near.Close(), f.close(ctx))
		}
		f.clients = append(f.clients, near, far)
		n := strconv.Itoa(i)
		l := &line{near, far, "floor:q" + n, "floor:r" + n}
		go l.serve()
		f.free <- l
	}
	return f, nil
}

// serve is the worker: it gives back what it gets until its connection is closed.
func (l *line) serve() {
	ctx := context.Background()
	for {
		request, err := l.far.BRPop(ctx, 0, l.request).Result()
		if err != nil {
			return
		}
		var in number
		if json.Unmarshal([]byte(request[1]), &in) != nil {
			return
		}
		response, err := json.Marshal(in)
		if err != nil || l.far.LPush(ctx, l.response, response).Err() != nil {
			return
		}
	}
}

func (f *floor) do(ctx context.Context, n int) (int, error) {
	l := <-f.free
	defer func() { f.free <- l }()
	request, err := json.Marshal(number{n})
	if err != nil {
		return 0, err
	}
	if err := l.near.LPush(ctx, l.request, request).Err(); err != nil {
		return 0, err
	}
	response, err := l.near.BRPop(ctx, 0, l.response).Result()
	if err != nil {
		return 0, err
	}
	var out number
	err = json.Unmarshal([]byte(response[1]), &out)
	return out.N, err
}

func (f *floor) batch(ctx context.Context, n int) error { return fanDo(ctx, callers, n, f.do) }

func (f *floor) close(context.Context) (err error) {
	for _, c := range f.clients {
		err = errors.Join(err, c.Close())
	}
	return err
}
