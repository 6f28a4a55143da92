package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/multinode/mn/backend/redis"
)

func init() {
	register(driver{
		name:    "redis",
		open:    openRedis,
		targets: targets{idle: 2, parallel: 1, mapped: 2, job: 4, stored: 1.2},
	})
}

// openRedis starts a redis-server of its own, on a free port of the loopback interface.
func openRedis() (*medium, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	server := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no") //nolint:gosec // our own port
	out, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("redis-server (on Debian: apt-get install redis-server): %w", err)
	}
	ready := make(chan struct{})
	go func() { // to the end: the server must not block on a full pipe
		lines := bufio.NewScanner(out)
		for once := ready; lines.Scan(); {
			if once != nil && strings.Contains(lines.Text(), "Ready to accept connections") {
				close(once)
				once = nil
			}
		}
	}()
	<-ready
	url := "redis://127.0.0.1:" + port
	b, err := redis.Open(context.Background(), url, redis.Options{})
	if err != nil {
		return nil, err
	}
	options, err := goredis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	admin := goredis.NewClient(options)
	return &medium{
		backend: b,
		dial:    func(serve func([]byte) []byte) (line, error) { return dialLists(options, serve) },
		used:    func() (uint64, error) { return usedMemory(admin) },
		spent:   func() (time.Duration, error) { return serverTime(admin) },
		close: func() error {
			err := errors.Join(b.Close(), admin.Close(), server.Process.Kill())
			_ = server.Wait() // it was killed
			return err
		},
	}, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

func usedMemory(c *goredis.Client) (uint64, error) {
	info, err := c.Info(context.Background(), "memory").Result()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	digits, _, _ := strings.Cut(rest, "\r")
	return strconv.ParseUint(digits, 10, 64)
}

// serverTime is the processor time that the server's main thread has taken: that which executes commands.
func serverTime(c *goredis.Client) (sum time.Duration, err error) {
	info, err := c.Info(context.Background(), "cpu").Result()
	if err != nil {
		return 0, err
	}
	for _, mode := range []string{"user", "sys"} {
		_, rest, found := strings.Cut(info, "used_cpu_"+mode+"_main_thread:")
		digits, _, _ := strings.Cut(rest, "\r")
		if !found { // before Redis 7
			return 0, errors.New("this server does not tell the time of its main thread")
		}
		d, err := time.ParseDuration(digits + "s")
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// lists is the floor on Redis: LPUSH and BRPOP there, LPUSH and BRPOP back, with one
// connection for each side.
type lists struct {
	near, far         *goredis.Client
	request, response string
}

var listNumber atomic.Uint64

func dialLists(o *goredis.Options, serve func([]byte) []byte) (line, error) {
	single := *o
	single.PoolSize = 1
	n := strconv.FormatUint(listNumber.Add(1), 10)
	l := lists{goredis.NewClient(&single), goredis.NewClient(&single), "floor:q" + n, "floor:r" + n}
	go func() {
		for {
			request, err := l.far.BRPop(context.Background(), 0, l.request).Result()
			if err != nil {
				return // the connection was closed
			}
			if l.far.LPush(context.Background(), l.response, serve([]byte(request[1]))).Err() != nil {
				return
			}
		}
	}()
	return l, nil
}

func (l lists) exchange(request []byte) ([]byte, error) {
	ctx := context.Background()
	if err := l.near.LPush(ctx, l.request, request).Err(); err != nil {
		return nil, err
	}
	response, err := l.near.BRPop(ctx, 0, l.response).Result()
	if err != nil {
		return nil, err
	}
	return []byte(response[1]), nil
}

func (l lists) close() error { return errors.Join(l.far.Close(), l.near.Close()) }
