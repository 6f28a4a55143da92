package dashboard

import (
	"net/http"

	"github.com/multinode/mn"
)

// Option changes a dashboard.
type Option interface{ set(*config) }

type config struct {
	authorize func(*http.Request, Action) error
	origins   []string
}

type option func(*config)

func (o option) set(c *config) { o(c) }

// Verb is what an [Action] does.
type Verb string

// The verbs.
const (
	Cancel Verb = "cancel"
	Retry  Verb = "retry"
	Remove Verb = "remove"
)

// Action is what somebody wants to do.
type Action struct {
	Verb Verb
	// Job is the run on which to act, "" for a bulk action.
	Job mn.JobID
	// Bulk chooses the runs of a bulk action, nil for an action on one run.
	Bulk *mn.RunFilter
	// DryRun only counts and lists what a bulk action would touch.
	DryRun bool
}

// Authorize lets those act for whom allow returns nil; its error's text is shown to the
// others, with status 403. It is asked for every action, after the request's origin and
// token were checked, and may block. Without it the dashboard is read-only.
func Authorize(allow func(*http.Request, Action) error) Option {
	return option(func(c *config) { c.authorize = allow })
}

// TrustedOrigin lets pages of one more origin, such as "https://ops.example.com", send
// actions. It is needed where a proxy changes the Host header and browsers send no
// Sec-Fetch-Site, which they leave out for plain HTTP. [Handler] panics if it is malformed.
func TrustedOrigin(origin string) Option {
	return option(func(c *config) { c.origins = append(c.origins, origin) })
}
