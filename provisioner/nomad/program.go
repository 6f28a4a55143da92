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
	// Options are further settings of Nomad's docker driver, such as network_mode. A password in
	// auth must be a variable of Config.Secrets, as in "${REGISTRY_PASSWORD}".
	Options map[string]any
}

// Exec runs workers isolated by Nomad's exec driver, which needs Linux nodes whose Nomad
// runs as root.
type Exec struct {
	// Path of the program: on the node, or in the artifact if there is one. Default: the
	// artifact's own name.
	Path string
	// Artifact is the URL that the program, or an archive with it, is fetched from. It may hold no
	// secrets: whoever may read jobs sees it.
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
	if authPassword(d.Options["auth"]) {
		return errors.New(`Docker.Options["auth"] holds a password, which everybody who may read jobs would see: let the nodes log in ` +
			"(auth in the docker plugin's configuration of Nomad clients), or put it into a Nomad Variable, name that in Config.Secrets and write ${VARIABLE} here")
	}
	return nil
}

// String names the image and leaves out Options, which may hold secrets.
func (d Docker) String() string { return fmt.Sprintf("nomad.Docker{Image: %q}", d.Image) }

// GoString is String, for %#v.
func (d Docker) GoString() string { return d.String() }

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
	const remedy = ", which everybody who may read jobs would see: let the nodes fetch it with rights of their own " +
		"(such as an instance's role), or put the program on the nodes and set Path"
	switch secret := querySecret(e.Artifact); {
	case hasPassword(e.Artifact):
		return errors.New("the artifact's URL holds a password" + remedy)
	case secret != "":
		return fmt.Errorf("the artifact %s holds a secret in %q of its query%s", shownArtifact(e.Artifact), secret, remedy)
	case e.Path == "" && e.Artifact == "":
		return errors.New("Exec needs a Path on the nodes, or an Artifact to fetch the program from")
	case e.Artifact != "" && !legalChecksum.MatchString(e.Checksum):
		return fmt.Errorf("the checksum %q of %s: use \"sha256:\" and 64 hexadecimal digits, as sha256sum prints them",
			e.Checksum, shownArtifact(e.Artifact))
	case e.Artifact != "" && e.Path == "" && e.name() == "":
		return fmt.Errorf("the artifact %s has no file name: set Path to the program's path in it", shownArtifact(e.Artifact))
	}
	return nil
}

// String names the program, and the artifact without its password and query.
func (e Exec) String() string { return "nomad.Exec" + e.fields() }

// GoString is String, for %#v.
func (e Exec) GoString() string { return e.String() }

func (e Exec) fields() string {
	if e.Artifact == "" {
		return fmt.Sprintf("{Path: %q}", e.Path)
	}
	return fmt.Sprintf("{Path: %q, Artifact: %q}", e.Path, shownArtifact(e.Artifact))
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

// String names the program, and the artifact without its password and query.
func (r RawExec) String() string { return "nomad.RawExec" + Exec(r).fields() }

// GoString is String, for %#v.
func (r RawExec) GoString() string { return r.String() }

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
