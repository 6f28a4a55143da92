package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// Rights of a running app, docs/nomad.md, Rights: without the first two nothing works.
var (
	needed = []string{"dispatch-job", "read-job"}
	useful = []string{"read-logs", "alloc-lifecycle", "deregister-job"}
)

func checkNomadRights(ctx context.Context, n *Nomad) Result {
	token, _, err := n.Client.ACLTokens().Self(n.query(ctx))
	switch {
	case err != nil && strings.Contains(err.Error(), "ACL support disabled"):
		return found(Note, "turn ACLs on: acl { enabled = true }", "ACLs are off: whoever reaches Nomad can run programs on its nodes")
	case status(err) == http.StatusForbidden || status(err) == http.StatusNotFound:
		return found(Fail, "set NOMAD_TOKEN to one with the policy of docs/nomad.md", "the token is unknown or has expired")
	case err != nil:
		return skipped(err)
	case token.Type == "management":
		return found(Note, "give mn a token with the policies of docs/nomad.md", "a management token may do everything; mn needs %s", strings.Join(append(needed, useful...), ", "))
	}
	names := slices.Clone(token.Policies)
	for _, role := range token.Roles {
		r, _, err := n.Client.ACLRoles().Get(role.ID, n.query(ctx))
		if err != nil {
			return skipped(fmt.Errorf("role %s: %w", role.Name, err))
		}
		for _, p := range r.Policies {
			names = append(names, p.Name)
		}
	}
	have := make(map[string]bool)
	for _, name := range names {
		if err := n.capabilities(ctx, name, have); err != nil {
			return skipped(fmt.Errorf("policy %s: %w", name, err))
		}
	}
	return judge(have, n.Namespace)
}

// namespaceRule is what a policy allows in the namespaces that its name matches.
type namespaceRule struct {
	Name         string
	Policy       string
	Capabilities []string
}

// capabilities adds those that a policy gives in the namespace.
func (n *Nomad) capabilities(ctx context.Context, policy string, have map[string]bool) error {
	var read struct {
		RulesJSON struct{ Namespaces []namespaceRule }
	}
	if _, err := n.Client.Raw().Query("/v1/acl/policy/"+url.PathEscape(policy), &read, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return err
	}
	for _, rule := range ruling(read.RulesJSON.Namespaces, n.Namespace) {
		if rule.Policy == "write" { // as Nomad expands it
			have["dispatch-job"], have["read-job"], have["read-logs"], have["alloc-lifecycle"], have["submit-job"] = true, true, true, true, true
		}
		for _, c := range rule.Capabilities {
			have[c] = true
		}
	}
	return nil
}

// ruling are the rules that hold in a namespace: those of its name, or else those of the
// longest pattern that matches it.
func ruling(rules []namespaceRule, namespace string) []namespaceRule {
	best, length := []namespaceRule(nil), -1
	for _, r := range rules {
		matches, _ := path.Match(r.Name, namespace)
		switch n := len(strings.ReplaceAll(r.Name, "*", "")); {
		case r.Name == namespace && length < len(namespace)+1:
			best, length = []namespaceRule{r}, len(namespace)+1
		case !matches && r.Name != namespace || n < length:
		case n == length || r.Name == namespace:
			best = append(best, r)
		default:
			best, length = []namespaceRule{r}, n
		}
	}
	return best
}

func judge(have map[string]bool, namespace string) Result {
	lacks := func(names []string) (missing []string) {
		for _, c := range names {
			if !have[c] && (c != "deregister-job" || !have["submit-job"]) { // of which it is a part
				missing = append(missing, c)
			}
		}
		return missing
	}
	const remedy = "give the token the policy of docs/nomad.md, Rights"
	if missing := lacks(needed); len(missing) > 0 {
		return found(Fail, remedy, "in namespace %s the token lacks %s: no worker can be launched", namespace, strings.Join(missing, ", "))
	}
	if missing := lacks(useful); len(missing) > 0 {
		return found(Warn, remedy, "in namespace %s the token lacks %s", namespace, strings.Join(missing, ", "))
	}
	return ok("all are there in namespace %s", namespace)
}
