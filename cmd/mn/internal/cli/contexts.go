package cli

import (
	"cmp"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/multinode/mn/cmd/mn/internal/settings"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// contextLine is a context as mn contexts --json prints it.
type contextLine struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Redis   string `json:"redis,omitempty"` // without its password
	App     string `json:"app,omitempty"`
	Prefix  string `json:"prefix,omitempty"`
	Nomad   string `json:"nomad,omitempty"`
}

func (t *tool) contextsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "contexts", Short: "List the contexts of the configuration file", Args: exactly(),
		Long: `List the contexts of the configuration file: mn/config.toml in the user's configuration directory
(on Linux ~/.config), or what --config or MN_CONFIG names. It is like

  current = "local"

  [contexts.local]
  redis = "redis://127.0.0.1:6379"
  app = "chess"

  [contexts.production]
  redis = "rediss+sentinel://mn@redis.example:26379?master_name=main"
  redis_password_env = "CHESS_REDIS_PASSWORD"
  app = "chess"
  keys_env = "CHESS_KEYS"
  nomad = "https://nomad.example:4646"
  nomad_namespace = "mn"
  nomad_token_env = "CHESS_NOMAD_TOKEN"

What --context names counts more than the environment, and the current context less. A file with
a password in it is refused if others may read it.`,
		RunE: func(*cobra.Command, []string) error {
			file, err := settings.Read(cmp.Or(t.flags.Config, t.getenv("MN_CONFIG")))
			if err != nil {
				return &codedError{ExitUsage, err}
			}
			return t.contexts(file)
		},
	}
}

func (t *tool) contexts(file *settings.File) error {
	table := &term.Table{Head: []string{"", "NAME", "REDIS", "APP", "PREFIX", "NOMAD"}, Cut: 2, Width: term.Width(t.Out)}
	current := cmp.Or(t.flags.Context, t.getenv("MN_CONTEXT"), file.Current)
	for _, name := range slices.Sorted(maps.Keys(file.Contexts)) {
		c := file.Contexts[name]
		line := contextLine{Name: name, Current: name == current, App: c.App, Prefix: c.Prefix, Nomad: c.Nomad}
		if c.Redis != "" {
			line.Redis = settings.Redacted(c.Redis)
		}
		if t.json {
			if err := t.line(line); err != nil {
				return err
			}
		}
		mark := ""
		if line.Current {
			mark = "*"
		}
		table.Add(mark, term.Line(name), term.Line(line.Redis), term.Line(c.App), term.Line(c.Prefix), term.Line(c.Nomad))
	}
	switch {
	case t.json:
		return nil
	case len(table.Rows) == 0:
		path, _ := settings.Path()
		t.say("no contexts: they would be in %s\n", term.Line(cmp.Or(file.Path, path)))
		return nil
	}
	return table.Write(t.out)
}
