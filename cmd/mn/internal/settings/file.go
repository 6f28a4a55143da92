package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// File is the configuration file: contexts by name, as in
//
//	current = "local"
//
//	[contexts.local]
//	redis = "redis://127.0.0.1:6379"
//	app = "chess"
//
//	[contexts.production]
//	redis = "rediss+sentinel://mn@redis.example:26379?master_name=main"
//	redis_password_env = "CHESS_REDIS_PASSWORD"
//	app = "chess"
//	keys_env = "CHESS_KEYS"
//	nomad = "https://nomad.example:4646"
//	nomad_namespace = "mn"
type File struct {
	Path     string             `toml:"-"` // "" if there is none
	Current  string             `toml:"current"`
	Contexts map[string]Context `toml:"contexts"`
}

// Context is where one app is found.
type Context struct {
	Redis          string `toml:"redis"`
	App            string `toml:"app"`
	Prefix         string `toml:"prefix"`
	Nomad          string `toml:"nomad"`
	NomadNamespace string `toml:"nomad_namespace"`
	// What is secret is better kept in the environment; these name the variables.
	RedisPasswordEnv string `toml:"redis_password_env"`
	NomadTokenEnv    string `toml:"nomad_token_env"`
	KeysEnv          string `toml:"keys_env"`
}

// Path is where the file lies unless something names another: mn/config.toml in
// [os.UserConfigDir].
func Path() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "mn", "config.toml"), nil
}

// Read reads the file at path. If path is "", it reads that of [Path], which may be missing.
// A file that holds a password and that others may read is refused, as ssh refuses such keys.
func Read(path string) (*File, error) {
	named := path != ""
	if !named {
		var err error
		if path, err = Path(); err != nil {
			return &File{}, nil //nolint:nilerr // an account without a home has no file
		}
	}
	f := &File{Path: path}
	meta, err := toml.DecodeFile(path, f)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return &File{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no configuration file %s", path)
	case err != nil:
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("configuration file %s: unknown key %s", path, unknown[0])
	}
	return f, f.checkSecrecy()
}

func (f *File) checkSecrecy() error {
	info, err := os.Stat(f.Path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Contexts)) {
		if hasPassword(f.Contexts[name].Redis) {
			return fmt.Errorf("configuration file %s holds a password (context %q) and others may read it: "+
				"chmod 600 it, or name a variable by redis_password_env", f.Path, name)
		}
	}
	return nil
}

// Find returns the context that name names, or the current one for "". A file without
// contexts has an empty one.
func (f *File) Find(name string) (Context, error) {
	if name == "" {
		name = f.Current
	}
	if name == "" {
		return Context{}, nil
	}
	c, ok := f.Contexts[name]
	if ok {
		return c, nil
	}
	if f.Path == "" {
		return c, fmt.Errorf("there is no context %q: there is no configuration file", name)
	}
	known := "none"
	if len(f.Contexts) > 0 {
		known = strings.Join(slices.Sorted(maps.Keys(f.Contexts)), ", ")
	}
	return c, fmt.Errorf("there is no context %q in %s: it has %s", name, f.Path, known)
}
