package nomad

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

const redacted = "[redacted]"

func withoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return redacted
}

// getter is what may stand before an artifact's URL, such as "s3::".
var getter = regexp.MustCompile(`^[A-Za-z0-9]+::`)

// shownArtifact is an artifact's URL for texts: without its password, and without its query, which
// may hold keys.
func shownArtifact(artifact string) string {
	artifact, _, _ = strings.Cut(artifact, "?")
	by := getter.FindString(artifact)
	return by + withoutPassword(artifact[len(by):])
}

// urlQuery finds the query of a URL within a text.
var urlQuery = regexp.MustCompile(`(://[^\s"'?]*)\?[^\s"']*[^\s"',.:;)]`)

// withoutQueries removes the queries of all URLs in a text.
func withoutQueries(text string) string { return urlQuery.ReplaceAllString(text, "$1") }

// urlPassword finds passwords of URLs within a text.
var urlPassword = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@:]*:([^\s/?#@]+)@`)

// hasPassword reports whether a text holds a URL with a password, other than one of Nomad's
// variables.
func hasPassword(s string) bool {
	for _, found := range urlPassword.FindAllStringSubmatch(s, -1) {
		if isSecret(found[1]) {
			return true
		}
	}
	return false
}

// isSecret tells a password from none, and from a variable that Nomad replaces on the node.
func isSecret(s string) bool { return s != "" && !strings.Contains(s, "${") }

// secretName is what the names of secrets in an artifact's query are like: aws_access_key_secret,
// aws_access_token, sshkey, and what servers of all kinds call theirs.
var secretName = regexp.MustCompile(`(?i)secret|token|passw|sshkey|private_?key|api_?key`)

// querySecret is the name of a secret in an artifact's query; "" if there is none. The URL may be
// one of the short forms that only Nomad understands, so it is not parsed as a whole.
func querySecret(artifact string) string {
	_, query, _ := strings.Cut(artifact, "?")
	fields, _ := url.ParseQuery(query) // what it cannot read, Nomad cannot either
	for name, values := range fields {
		for _, v := range values {
			if secretName.MatchString(name) && isSecret(v) {
				return name
			}
		}
	}
	return ""
}

// authPassword reports whether an option of the docker driver holds a password, in whatever types
// it is written.
func authPassword(option any) bool {
	text, err := json.Marshal(option)
	if err != nil {
		return false // the job cannot be encoded either, which is told then
	}
	var plain any
	if err = json.Unmarshal(text, &plain); err != nil {
		return false
	}
	return passwordIn(plain)
}

func passwordIn(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			if passwordIn(each) {
				return true
			}
		}
	case map[string]any:
		for name, each := range v {
			if s, ok := each.(string); ok && strings.EqualFold(name, "password") && isSecret(s) || passwordIn(each) {
				return true
			}
		}
	}
	return false
}
