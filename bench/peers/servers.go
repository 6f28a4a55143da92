package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// startTime is how long a server may take to answer.
const startTime = 60 * time.Second

// servers are those that were started. Rows share them, one after the other.
type servers struct {
	durable  bool
	running  map[server]*process
	redisURL string
	pgURL    string // without the database's name
	versions map[server]string
}

func newServers(durable bool) *servers {
	return &servers{durable: durable, running: map[server]*process{}, versions: map[server]string{}}
}

// start starts what the drivers need and returns those whose server is there.
func (s *servers) start(ctx context.Context, ds []*driver, log io.Writer) ([]*driver, error) {
	starts := map[server]func(context.Context) error{redisServer: s.startRedis, postgresServer: s.startPostgres}
	for _, needed := range []server{redisServer, postgresServer} {
		needs := func(d *driver) bool { return d.needs == needed }
		if !slices.ContainsFunc(ds, needs) {
			continue
		}
		switch err := starts[needed](ctx); {
		case errors.Is(err, errMissing):
			for _, d := range ds {
				if needs(d) {
					fmt.Fprintf(log, "%s: left out: %v\n", d.name, err)
				}
			}
			ds = slices.DeleteFunc(slices.Clone(ds), needs)
		case err != nil:
			return nil, fmt.Errorf("starting %s: %w", needed, err)
		}
	}
	return ds, nil
}

// errMissing says that a server is not installed, and how to get it.
var errMissing = errors.New("is missing; on Debian or Ubuntu: sudo apt-get install")

func (s *servers) close() (err error) {
	for _, p := range s.running {
		err = errors.Join(err, p.close())
	}
	return err
}

// redis returns a client with a pool of its own.
func (s *servers) redis(poolSize int) (*redis.Client, error) {
	o, err := redis.ParseURL(s.redisURL)
	if err != nil {
		return nil, err
	}
	o.PoolSize = poolSize
	// The default asks each new connection for a feature that this server lacks.
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// clear empties Redis for the next row.
func (s *servers) clear(ctx context.Context, of server) (err error) {
	if of != redisServer {
		return nil
	}
	c, err := s.redis(1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.FlushAll(ctx).Err()
}

// postgres returns a pool on the database of one row, which is made if it is not there.
func (s *servers) postgres(ctx context.Context, database string, poolSize int32) (*pgxpool.Pool, error) {
	if err := s.createDatabase(ctx, database); err != nil {
		return nil, err
	}
	c, err := pgxpool.ParseConfig(s.pgURL + database)
	if err != nil {
		return nil, err
	}
	c.MaxConns = poolSize
	return pgxpool.NewWithConfig(ctx, c)
}

func (s *servers) createDatabase(ctx context.Context, name string) (err error) {
	c, err := pgx.Connect(ctx, s.pgURL+"postgres")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	var there bool
	if err := c.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there); err != nil || there {
		return err
	}
	_, err = c.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	return err
}

// untilReady repeats ask until it succeeds, the server has ended, or startTime is over.
func untilReady(ctx context.Context, p *process, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-every.C:
		case <-p.ended:
			return p.close()
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("no answer within %s: %w; its last words: %s", startTime, err, p.log.String()), p.close())
		}
	}
}
