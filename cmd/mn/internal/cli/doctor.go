package cli

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/cmd/mn/internal/doctor"
	"github.com/multinode/mn/cmd/mn/internal/server"
	"github.com/multinode/mn/cmd/mn/internal/settings"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

func (t *tool) doctorCommand() *cobra.Command {
	var strict, quiet bool
	long := `Check Redis, and Nomad where NOMAD_ADDR, --nomad or the context names it, against docs/operations.md
and docs/nomad.md, and say what to change. A user with the rights of mn alone may not read all settings:
what could not be found out is "skipped"; an administrator sees all. The exit code is 1 if a check
fails, with --strict also if one warns; 4 if Redis does not answer.

Checks of Redis:
`
	for _, c := range doctor.RedisChecks {
		long += fmt.Sprintf("  %-20s %s\n", c.Name, c.About)
	}
	long += "\nChecks of Nomad:\n"
	for _, c := range doctor.NomadChecks {
		long += fmt.Sprintf("  %-20s %s\n", c.Name, c.About)
	}
	c := &cobra.Command{
		Use: "doctor", Short: "Check Redis and Nomad, and say what to change", Long: long, Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			where, err := settings.Find(t.flags, t.getenv)
			if err != nil {
				return &codedError{ExitUsage, err}
			}
			e := &examination{tool: t, strict: strict, quiet: quiet}
			return e.run(c.Context(), where)
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "warnings count as failures")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only what needs attention")
	c.Flags().StringVar(&t.flags.Nomad, "nomad", "", "`ADDRESS` of Nomad: http://host:4646")
	c.Flags().StringVar(&t.flags.NomadNamespace, "nomad-namespace", "", "`NAMESPACE` in Nomad")
	return c
}

// examination is one execution of mn doctor.
type examination struct {
	*tool
	strict, quiet bool
	warned        int
	failed        int
	written       error
}

func (e *examination) run(ctx context.Context, where *settings.Settings) error {
	client, err := server.Connect(where.Redis)
	if err != nil {
		return &codedError{ExitUsage, err}
	}
	defer func() { _ = client.Close() }()
	e.find(ctx, client, where)
	if !doctor.CheckRedis(ctx, &doctor.Redis{Client: client, Prefix: where.Prefix, App: where.App}, e.report) {
		return &codedError{ExitUnreachable, errSilent}
	}
	if where.Nomad != "" {
		n, err := doctor.NewNomad(where.Nomad, where.NomadNamespace, where.NomadToken)
		if err != nil {
			return &codedError{ExitUsage, err}
		}
		n.App, n.Definitions = where.App, e.definitions(ctx, where)
		doctor.CheckNomad(ctx, n, e.report)
		n.Client.Close()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case e.written != nil:
		return e.written
	case e.failed > 0, e.strict && e.warned > 0:
		return errSilent
	}
	return nil
}

// find finds out which app is meant, if nobody has said it and there is one alone.
func (e *examination) find(ctx context.Context, client goredis.UniversalClient, where *settings.Settings) {
	if where.App != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	b, err := redis.New(ctx, client, redis.Options{Prefix: where.Prefix, Logger: e.logger()})
	if err != nil {
		return
	}
	defer func() { _ = b.Close() }()
	if names, err := b.Namespaces(ctx); err == nil && len(names) == 1 {
		where.App = names[0]
	}
}

// definitions reads those of the app, none if it cannot be joined.
func (e *examination) definitions(ctx context.Context, where *settings.Settings) (infos []mn.DefinitionInfo) {
	if where.App == "" {
		return nil
	}
	_ = e.with(ctx, func(ctx context.Context, l *link) (err error) {
		infos, err = l.Definitions(ctx)
		return err
	})
	return infos
}

// report prints one result and counts it.
func (e *examination) report(r doctor.Result) {
	mark := term.Green("ok  ")
	switch r.Level {
	case doctor.Fail:
		e.failed++
		mark = term.Red("FAIL")
	case doctor.Warn:
		e.warned++
		mark = term.Yellow("warn")
	case doctor.Note:
		mark = term.Blue("note")
	case doctor.Skipped:
		mark = term.Faint("skip")
	case doctor.OK:
	}
	if e.quiet && (r.Level == doctor.OK || r.Level == doctor.Skipped) {
		return
	}
	if e.json {
		if err := e.line(r); err != nil {
			e.written = err
		}
		return
	}
	e.printf("%s  %-18s  %s\n", mark, r.Check, term.Line(r.Found))
	if r.Remedy != "" {
		e.printf("%24s  %s\n", "", term.Bold("→ ")+term.Line(r.Remedy))
	}
}
