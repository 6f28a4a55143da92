package dashboard

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/multinode/mn"
)

var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`) // that of mn's definitions
)

// query reads the parameters of a request and notes the first that is malformed.
type query struct {
	url.Values
	err error
}

func newQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{Values: values}
	if err != nil {
		q.err = badQuery("The address is malformed: %v", err)
	}
	return q
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = badQuery(format, args...)
	}
}

// form is a parameter that must be of a form, if it is there.
func (q *query) form(name string, form *regexp.Regexp, what string) string {
	v := strings.TrimSpace(q.Get(name))
	if v != "" && !form.MatchString(v) {
		q.fail("%s=%.80q is not %s.", name, v, what)
	}
	return v
}

// periods are the choices of "since".
var periods = []struct {
	Value string
	Label string
	span  time.Duration
}{
	{"15m", "Last 15 minutes", 15 * time.Minute},
	{"1h", "Last hour", time.Hour},
	{"24h", "Last 24 hours", 24 * time.Hour},
	{"7d", "Last 7 days", 7 * 24 * time.Hour},
}

// filter chooses runs as the address does. From is of the moment at which it is read.
type filter struct {
	mn.RunFilter
	Since    string // one of periods
	FromText string
	ToText   string
}

func (q *query) filter() filter {
	var f filter
	f.Definition = q.form("definition", nameForm, "the name of a definition")
	f.Before = mn.JobID(q.form("before", uuidForm, "a run's ID"))
	for _, s := range q.Values["status"] {
		switch st := mn.Status(strings.ToUpper(s)); {
		case s == "":
		case !slices.Contains(mn.Statuses(), st):
			q.fail("status=%.80q is no status: use %s.", s, "pending, running, cancelling, succeeded, failed or cancelled")
		case !slices.Contains(f.Statuses, st):
			f.Statuses = append(f.Statuses, st)
		}
	}
	if f.Text = strings.TrimSpace(q.Get("text")); len(f.Text) > 36 {
		q.fail("text=%.80q is longer than an ID, which has 36 characters.", f.Text)
	}
	if f.Since = q.Get("since"); f.Since != "" && periodOf(f.Since) == 0 {
		q.fail("since=%.80q is no period: use 15m, 1h, 24h or 7d.", f.Since)
	}
	f.From, f.FromText = q.time("from")
	f.To, f.ToText = q.time("to")
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		q.fail("The time \"to\" is before \"from\".")
	}
	return f
}

func periodOf(value string) time.Duration {
	for _, p := range periods {
		if p.Value == value {
			return p.span
		}
	}
	return 0
}

// now is the filter for the backend at this moment.
func (f *filter) now() mn.RunFilter {
	rf := f.RunFilter
	if f.Since != "" {
		if from := time.Now().Add(-periodOf(f.Since)); from.After(rf.From) {
			rf.From = from
		}
	}
	return rf
}

// time reads what a date field of a form sends, in UTC, or RFC 3339.
func (q *query) time(name string) (time.Time, string) {
	v := q.Get(name)
	if v == "" {
		return time.Time{}, ""
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, v, time.UTC); err == nil && t.Year() >= 1970 && t.Year() < 10000 {
			return t, v
		}
	}
	q.fail("%s=%.80q is no time: write it as 2006-01-02T15:04, in UTC.", name, v)
	return time.Time{}, ""
}

// words is the filter as an address's query, without the cursor.
func (f *filter) words() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("definition", f.Definition)
	for _, s := range f.Statuses {
		v.Add("status", strings.ToLower(string(s)))
	}
	set("text", f.Text)
	set("since", f.Since)
	set("from", f.FromText)
	set("to", f.ToText)
	return v
}
