package where

import (
	"context"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn"
	"github.com/multinode/mn/provisioner/nomad"
)

// parse reads a command line.
func parse(t *testing.T, line string) Flags {
	t.Helper()
	var f Flags
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	f.Register(flags)
	if err := flags.Parse(strings.Fields(line)); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFlagsThatDoNotGoTogetherAreRefused(t *testing.T) {
	for line, says := range map[string]string{
		"":                                 "",
		"-redis redis://r":                 "",
		"-redis redis://r -nomad http://n": "",
		"-redis redis://r -workers nomad -role schedule":   "",
		"-redis redis://r -nomad http://n -image i -small": "",
		"-nomad http://n": "-workers nomad needs -redis",
		"-workers none":   "-workers none needs -redis",
		"-workers many":   `-workers "many": use local`,
		"-redis redis://r -workers none -nomad http://n": "-nomad is for -workers nomad, not none",
		"-redis redis://r -workers process -image i":     "-image is for -workers nomad, not process",
		"-role deploy": "-role deploy is for -workers nomad, not local",
		"-redis redis://r -nomad http://n -role rest": `-role "rest": use run, deploy or schedule`,
		"-redis redis://r -nomad http://n -small":     "-small is for -image",
	} {
		f := parse(t, line)
		err := f.Check()
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want %q", line, err, says)
		}
	}
}

func TestAnUnsetVariableIsNamed(t *testing.T) {
	f := parse(t, "-redis env:MN_TEST_NOT_SET")
	err := f.Run(t.Context(), mn.Config{}, func(context.Context, *mn.App) error { return nil })
	if err == nil || !strings.Contains(err.Error(), `variable "MN_TEST_NOT_SET" is not set`) {
		t.Error(err)
	}
}

func TestWorkersOnNomadGetWhatMakesTheSameApp(t *testing.T) {
	f := parse(t, "-redis redis://r -nomad http://n -image i")
	f.Args = []string{"-cooldown", "5s"}
	c := f.config()
	if want := []string{"-redis", "redis://r", "-workers", "nomad", "-cooldown", "5s"}; !slices.Equal(c.Args, want) {
		t.Errorf("arguments %q, want %q", c.Args, want)
	}
	if c.Address != "http://n" || c.Program.(nomad.Docker).Image != "i" || c.Edit != nil || c.Secrets != nil {
		t.Errorf("%+v", c)
	}
	f = parse(t, strings.Join(c.Args[:4], " "))
	if err := f.Check(); err != nil {
		t.Errorf("a worker's flags: %v", err)
	}
}

func TestAPasswordGoesByTheEnvironment(t *testing.T) {
	t.Setenv("REDIS_URL", "redis://:secret@r")
	f := parse(t, "-redis env:REDIS_URL -nomad http://n")
	if url, err := f.url(); url != "redis://:secret@r" || err != nil {
		t.Error(url, err)
	}
	c := f.config()
	if want := (nomad.Secret{Env: "REDIS_URL", Path: "nomad/jobs", Key: "redis_url"}); !slices.Equal(c.Secrets, []nomad.Secret{want}) {
		t.Errorf("%+v", c.Secrets)
	}
	f.Secrets = "mn/chess"
	if path := f.config().Secrets[0].Path; path != f.Secrets {
		t.Errorf("the Variable is %q", path)
	}
	if slices.ContainsFunc(c.Args, func(a string) bool { return strings.Contains(a, "secret") }) {
		t.Errorf("the password is in %q", c.Args)
	}
}

func TestWithoutAnImageLittleIsAskedFor(t *testing.T) {
	for line, little := range map[string]bool{
		"-redis redis://r -nomad http://n": true, "-redis redis://r -nomad http://n -image i": false,
		"-redis redis://r -nomad http://n -image i -small": true,
	} {
		f := parse(t, line)
		edit := f.config().Edit
		if (edit != nil) != little {
			t.Fatalf("%q: edit %v", line, edit != nil)
		}
		if edit == nil {
			continue
		}
		job := &api.Job{TaskGroups: []*api.TaskGroup{{Tasks: []*api.Task{{}}}}}
		edit("suggest-move", job)
		if r := job.TaskGroups[0].Tasks[0].Resources; *r.CPU != 50 || *r.MemoryMB != 512 {
			t.Errorf("%q: asks for %d MHz, %d MiB", line, *r.CPU, *r.MemoryMB)
		}
	}
}
