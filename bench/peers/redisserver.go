package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// startRedis starts a redis-server. Without -durable it keeps all in memory, as Redis is
// mostly run for queues; with it each write reaches the disk before it is answered.
func (s *servers) startRedis(ctx context.Context) error {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("redis-server %w redis-server", errMissing)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	dir, err := folder(nil)
	if err != nil {
		return err
	}
	aof := []string{"--appendonly", "no"}
	if s.durable {
		aof = []string{"--appendonly", "yes", "--appendfsync", "always"}
	}
	args := append([]string{binary, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", ""}, aof...)
	p, err := startProcess(dir, "TERM", nil, args...)
	if err != nil {
		return err
	}
	s.redisURL = "redis://127.0.0.1:" + port
	c, err := s.redis(1)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := untilReady(ctx, p, func(ctx context.Context) error { return c.Ping(ctx).Err() }); err != nil {
		return err
	}
	s.running[redisServer] = p
	info, err := c.Info(ctx, "server").Result()
	_, rest, _ := strings.Cut(info, "redis_version:")
	s.versions[redisServer], _, _ = strings.Cut(rest, "\r")
	return err
}
