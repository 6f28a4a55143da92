// Package server makes clients of Redis from URLs.
package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// connections is how many connections a command may have for what it reads.
const connections = 4

// Connect makes a client from a URL, without reaching for the server: redis:// or rediss:// is
// one server, redis+cluster:// a cluster, redis+sentinel:// what the sentinel of that host
// says of ?master_name=; more hosts by &addr=host:port. The caller closes it.
func Connect(url string) (redis.UniversalClient, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	plain, kind, _ := strings.Cut(scheme, "+")
	address := plain + "://" + rest
	var client redis.UniversalClient
	var err error
	switch kind {
	case "":
		client, err = single(address)
	case "cluster":
		client, err = cluster(address)
	case "sentinel":
		client, err = sentinel(address)
	default:
		err = fmt.Errorf("there is no %q, use +cluster or +sentinel", "+"+kind)
	}
	if err != nil { // without the URL, which may hold a password
		text := strings.ReplaceAll(strings.ReplaceAll(err.Error(), address, "the URL"), url, "the URL")
		return nil, fmt.Errorf("the Redis URL must be like redis://user@host:6379/0: %w", errors.New(text))
	}
	return client, nil
}

// off turns off notices of managed clouds, which cost goroutines.
var off = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

func single(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(address)
	if err == nil {
		err = complete(o.Username, o.Password)
	}
	if err != nil {
		return nil, err
	}
	o.MaxRetries, o.PoolSize, o.ContextTimeoutEnabled, o.DisableIdentity = -1, connections, true, true
	o.MaintNotificationsConfig = off
	return redis.NewClient(o), nil
}

func cluster(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(address)
	if err == nil {
		err = complete(o.Username, o.Password)
	}
	if err != nil {
		return nil, err
	}
	o.MaxRetries, o.PoolSize, o.ContextTimeoutEnabled, o.DisableIdentity = -1, connections, true, true
	o.MaintNotificationsConfig = off
	return redis.NewClusterClient(o), nil
}

func sentinel(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(address)
	if err != nil {
		return nil, err
	}
	if o.MasterName == "" {
		return nil, errors.New("name the primary, as in ?master_name=main")
	}
	if err := complete(o.Username, o.Password); err != nil {
		return nil, err
	}
	o.MaxRetries, o.PoolSize, o.ContextTimeoutEnabled, o.DisableIdentity = -1, connections, true, true
	return redis.NewFailoverClient(o), nil
}

// complete refuses a user without a password: the client would take the default user instead.
func complete(user, password string) error {
	if user != "" && password == "" {
		return fmt.Errorf("user %q has no password: give it by MN_REDIS_PASSWORD, any if none is needed", user)
	}
	return nil
}

// Silence keeps the client library, whose logger is one for the process, from writing to
// standard error: what it has to say is in errors too.
func Silence() { redis.SetLogger(silent{}) }

type silent struct{}

// Printf implements the library's logger.
func (silent) Printf(context.Context, string, ...any) {}
