package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/cmd/mn/internal/server"
	"github.com/multinode/mn/cmd/mn/internal/settings"
	"github.com/multinode/mn/provisioner"
)

// link is an app that executes nothing, joined for the time of a command.
type link struct {
	*mn.Inspector
	app   *mn.App
	where *settings.Settings
}

// with connects, executes a command's work and disconnects.
func (t *tool) with(ctx context.Context, work func(ctx context.Context, l *link) error) error {
	where, err := settings.Find(t.flags, t.getenv)
	if err != nil {
		return &codedError{ExitUsage, err}
	}
	client, err := server.Connect(where.Redis)
	if err != nil {
		return &codedError{ExitUsage, err}
	}
	defer func() { _ = client.Close() }()
	bounded, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	b, err := redis.New(bounded, client, redis.Options{Prefix: where.Prefix, Logger: t.logger()})
	if err != nil {
		return unreachable(ctx, where, err)
	}
	defer func() { _ = b.Close() }()
	if err := choose(bounded, b, where); err != nil {
		return err
	}
	app, err := t.join(b, where)
	if err != nil {
		return err
	}
	err = work(ctx, &link{Inspector: app.Inspect(), app: app, where: where})
	if closed := app.Close(); err == nil {
		err = closed
	}
	return err
}

func unreachable(ctx context.Context, where *settings.Settings, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return coded(ExitUnreachable, "Redis at %s: %w", settings.Redacted(where.Redis), err)
}

// choose makes sure that the app exists and may be joined: joining would otherwise create it,
// or lock out programs that are older.
func choose(ctx context.Context, b *redis.Backend, where *settings.Settings) error {
	if where.App == "" {
		found, err := b.Namespaces(ctx)
		switch {
		case err != nil:
			return usage("name the app by --app or MN_APP: they cannot be searched for: %w", err)
		case len(found) == 0:
			return coded(ExitNotFound, "there is no app at %s", place(where))
		case len(found) > 1:
			return usage("name the app by --app or MN_APP: at %s there are %s", place(where), strings.Join(found, ", "))
		}
		where.App = found[0]
	}
	stored, err := b.Stored(ctx, where.App)
	switch {
	case err != nil:
		return err
	case stored == 0:
		hint := ""
		if found, err := b.Namespaces(ctx); err == nil && len(found) > 0 {
			hint = ": there are " + strings.Join(found, ", ")
		}
		return coded(ExitNotFound, "there is no app %q at %s%s", where.App, place(where), hint)
	case stored < redis.Schema:
		return coded(ExitFailed, "app %q is of programs with an older mn (version %d of what is stored, this mn writes %d), "+
			"which could not join any more: use an mn of their version", where.App, stored, redis.Schema)
	}
	return nil
}

// place tells people where was looked.
func place(where *settings.Settings) string {
	text := settings.Redacted(where.Redis)
	if where.Prefix != "" {
		text += " under prefix " + where.Prefix
	}
	return text
}

func (t *tool) join(b *redis.Backend, where *settings.Settings) (*mn.App, error) {
	codec := mn.JSON
	if where.Keys != "" {
		keys, err := settings.ParseKeys(where.Keys)
		if err != nil {
			return nil, &codedError{ExitUsage, err}
		}
		if codec, err = mn.Encrypt(mn.JSON, keys); err != nil {
			return nil, &codedError{ExitUsage, err}
		}
	}
	app, err := mn.New(mn.Config{
		Name: where.App, Backend: b, Provisioner: provisioner.None, Codec: codec, PayloadLimit: mn.GiB, Logger: t.logger(),
	})
	if err != nil {
		return nil, fmt.Errorf("app %q: %w", where.App, err)
	}
	return app, nil
}

// logger drops what the library logs, unless it is asked for.
func (t *tool) logger() *slog.Logger {
	if t.verbose {
		return slog.New(slog.NewTextHandler(t.Err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}
