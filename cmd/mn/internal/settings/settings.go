// Package settings finds out where the app is: from flags, the environment and a file.
package settings

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/multinode/mn"
)

// Settings say where an app is found. Empty fields were given nowhere.
type Settings struct {
	Redis  string // the URL, with its password
	App    string
	Prefix string
	Keys   string // see [ParseKeys]

	Nomad          string
	NomadNamespace string
	NomadToken     string
}

// Flags are what the command line says.
type Flags struct {
	Config  string
	Context string
	Redis   string
	App     string
	Prefix  string

	Nomad          string
	NomadNamespace string
}

// DefaultRedis is where Redis is if nothing says otherwise.
const DefaultRedis = "redis://127.0.0.1:6379"

// Find puts settings together. What the command line says counts most, including the values
// of a context that it names; then the environment; then the current context of the file.
func Find(f Flags, getenv func(string) string) (*Settings, error) {
	file, err := Read(cmp.Or(f.Config, getenv("MN_CONFIG")))
	if err != nil {
		return nil, err
	}
	c, err := file.Find(cmp.Or(f.Context, getenv("MN_CONTEXT")))
	if err != nil {
		return nil, err
	}
	named := c
	if f.Context == "" {
		named = Context{}
	}
	env := getenv
	if f.Context != "" {
		env = func(string) string { return "" } // not the server of another context
	}
	s := &Settings{
		Redis:          cmp.Or(f.Redis, named.Redis, env("MN_REDIS"), c.Redis, DefaultRedis),
		App:            cmp.Or(f.App, named.App, env("MN_APP"), c.App),
		Prefix:         cmp.Or(f.Prefix, named.Prefix, env("MN_PREFIX"), c.Prefix),
		Keys:           cmp.Or(variable(getenv, named.KeysEnv), env("MN_KEYS"), variable(getenv, c.KeysEnv)),
		Nomad:          cmp.Or(f.Nomad, named.Nomad, env("NOMAD_ADDR"), c.Nomad),
		NomadNamespace: cmp.Or(f.NomadNamespace, named.NomadNamespace, env("NOMAD_NAMESPACE"), c.NomadNamespace),
		NomadToken:     cmp.Or(variable(getenv, named.NomadTokenEnv), env("NOMAD_TOKEN"), variable(getenv, c.NomadTokenEnv)),
	}
	password := cmp.Or(variable(getenv, named.RedisPasswordEnv), env("MN_REDIS_PASSWORD"), variable(getenv, c.RedisPasswordEnv))
	if s.Redis, err = withPassword(s.Redis, password); err != nil {
		return nil, err
	}
	return s, nil
}

func variable(getenv func(string) string, name string) string {
	if name == "" {
		return ""
	}
	return getenv(name)
}

func hasPassword(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return false
	}
	_, ok := u.User.Password()
	return ok
}

// withPassword puts a password into a URL that has none.
func withPassword(address, password string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("the Redis URL cannot be read: it must be like redis://user@host:6379/0")
	}
	if password == "" || hasPassword(address) {
		return address, nil
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String(), nil
}

// Redacted is a URL without its password.
func Redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

// ParseKeys reads keys of [mn.Encrypt]: ID=KEY, more of them after commas, each KEY 16, 24 or
// 32 bytes in hexadecimal or base64. The first is the current one.
func ParseKeys(text string) (mn.Keys, error) {
	keys := mn.Keys{Keys: make(map[string][]byte)}
	for i, part := range strings.Split(text, ",") {
		id, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || id == "" {
			return keys, fmt.Errorf("keys: number %d is not like ID=KEY", i+1)
		}
		key, err := decode(value)
		if err != nil {
			return keys, fmt.Errorf("keys: %q must be 16, 24 or 32 bytes in hexadecimal or base64", id)
		}
		if i == 0 {
			keys.Current = id
		}
		keys.Keys[id] = key
	}
	return keys, nil
}

func decode(text string) ([]byte, error) {
	if key, err := hex.DecodeString(text); err == nil && keyLength(len(key)) {
		return key, nil
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := e.DecodeString(text); err == nil && keyLength(len(key)) {
			return key, nil
		}
	}
	return nil, fmt.Errorf("no key")
}

func keyLength(n int) bool { return n == 16 || n == 24 || n == 32 }
