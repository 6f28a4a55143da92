package nomad

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// Program is what a worker executes: Docker, Exec or RawExec. It must be the same program
// as the one that launches it, or one that makes the same app and calls mn.App.Run.
type Program interface {
	// task sets driver, configuration and artifacts.
	task(t *api.Task, args []string)
	check() error
}

// Docker runs workers in containers.
type Docker struct {
	// Image should name a digest, so that all workers run the same program.
	Image string
	// Command replaces the image's entry point.
	Command string
	// Options are further settings of Nomad's docker driver, such as network_mode.
	Options map[string]any
}

// Exec runs workers isolated by Nomad's exec driver, which needs Linux nodes whose Nomad
// runs as root.
type Exec struct {
	// Path of the program: on the node, or in the artifact if there is one. Default: the
	// artifact's own name.
	Path string
	// Artifact is the URL that the program, or an archive with it, is fetched from.
	Artifact string
	// Checksum of the artifact, as "sha256:…". Required with Artifact.
	Checksum string
}

// RawExec runs workers as plain processes of the node, without isolation. Nodes must allow it.
// On Linux, Memory is a limit all the same where Nomad runs as root. Fields are those of Exec;
// without any, it is the file that the present process was started from, for a cluster on one
// machine.
type RawExec struct {
	Path     string
	Artifact string
	Checksum string
}

func (d Docker) check() error {
	if d.Image == "" {
		return errors.New("Docker.Image is missing")
	}
	for _, k := range []string{"image", "args", "command"} {
		if _, ok := d.Options[k]; ok {
			return fmt.Errorf("Docker.Options[%q]: use Docker.Image, Docker.Command and Config.Args", k)
		}
	}
	return nil
}

func (d Docker) task(t *api.Task, args []string) {
	t.Driver = "docker"
	t.Config = map[string]any{}
	maps.Copy(t.Config, clone(d.Options))
	t.Config["image"] = d.Image
	if d.Command != "" {
		t.Config["command"] = d.Command
	}
	if len(args) > 0 {
		t.Config["args"] = args
	}
}

var legalChecksum = regexp.MustCompile(`^(md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

func (e Exec) check() error {
	switch {
	case e.Path == "" && e.Artifact == "":
		return errors.New("Exec needs a Path on the nodes, or an Artifact to fetch the program from")
	case e.Artifact != "" && !legalChecksum.MatchString(e.Checksum):
		return fmt.Errorf("the checksum %q of %s: use \"sha256:\" and 64 hexadecimal digits, as sha256sum prints them",
			e.Checksum, withoutPassword(e.Artifact))
	case e.Artifact != "" && e.Path == "" && e.name() == "":
		return fmt.Errorf("the artifact %s has no file name: set Path to the program's path in it", withoutPassword(e.Artifact))
	case hasPassword(e.Artifact):
		return errors.New("the artifact's URL holds a password, which everybody who may read jobs would see: add it with Config.Edit, from a template")
	}
	return nil
}

// name is the artifact's own.
func (e Exec) name() string {
	u, err := url.Parse(e.Artifact)
	if err != nil || strings.HasSuffix(u.Path, "/") || u.Path == "" {
		return ""
	}
	return path.Base(u.Path)
}

// artifactDir is where artifacts go, in the task's directory.
const artifactDir = "local"

func (e Exec) task(t *api.Task, args []string) {
	t.Driver = "exec"
	command := e.Path
	if e.Artifact != "" {
		if command == "" {
			command = e.name()
		}
		command = path.Join(artifactDir, command)
		t.Artifacts = []*api.TaskArtifact{{
			GetterSource: &e.Artifact, RelativeDest: ptr(artifactDir + "/"),
			GetterOptions: map[string]string{"checksum": e.Checksum},
		}}
	}
	t.Config = map[string]any{"command": command}
	if len(args) > 0 {
		t.Config["args"] = args
	}
}

func (r RawExec) check() error {
	if r.Path == "" && r.Artifact == "" {
		if _, err := os.Executable(); err != nil {
			return fmt.Errorf("this program's path is unknown, set RawExec.Path: %w", err)
		}
		return nil
	}
	return Exec(r).check()
}

func (r RawExec) task(t *api.Task, args []string) {
	if r.Path == "" && r.Artifact == "" {
		r.Path, _ = os.Executable() // checked before
	}
	Exec(r).task(t, args)
	t.Driver = "raw_exec"
}

func ptr[T any](v T) *T { return &v }
