package dashboard

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// page is one kind of page: how to read what it shows.
type page struct {
	name  string        // of its template
	nav   string        // the entry of the navigation it belongs to
	every time.Duration // between two readings while somebody watches
	// counts: it shows what the sampler reads.
	counts bool
	open   func(d *Dashboard, r *http.Request) (source, error)
}

// source reads what one page shows. A stream keeps its source, which may therefore read only
// what is new; it is used by one goroutine at a time.
type source interface {
	read(ctx context.Context) (view any, err error)
}

// Every page is read in at most so long.
const readBound = 20 * time.Second

func (d *Dashboard) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, p := range map[string]*page{
		"/{$}":                overviewPage,
		"/jobs":               jobsPage,
		"/jobs/{id}":          jobPage,
		"/definitions":        definitionsPage,
		"/definitions/{name}": definitionPage,
		"/workers":            workersPage,
		"/locks":              locksPage,
		"/bulk/{op}":          operationPage,
	} {
		mux.Handle(pattern, d.only(d.show(p), http.MethodGet, http.MethodHead))
		mux.Handle("/live"+pattern, d.only(d.stream(p), http.MethodGet))
	}
	mux.Handle("/jobs/{id}/raw/{field}", d.only(d.raw, http.MethodGet, http.MethodHead))
	mux.Handle("/jobs/{id}/act/{verb}", d.only(d.actOnJob, http.MethodPost))
	mux.Handle("/bulk", d.only(d.bulkPost, http.MethodPost))
	mux.Handle("/bulk/{op}/stop", d.only(d.bulkStop, http.MethodPost))
	mux.Handle("/assets/{version}/{file...}", d.only(serveAsset, http.MethodGet, http.MethodHead))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { d.fail(w, r, notFound) })
	return mux
}

// only answers other methods with 405.
func (d *Dashboard) only(h http.HandlerFunc, methods ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			d.fail(w, r, problem{http.StatusMethodNotAllowed, "This address only answers " + strings.Join(methods, " and ") + "."})
			return
		}
		h(w, r)
	}
}

// root is the relative way from a request's address to the dashboard's root. Whatever
// prefix a proxy or a mux has taken away, it stays right.
func root(r *http.Request) string {
	if n := strings.Count(r.URL.Path, "/") - 1; n > 0 {
		return strings.Repeat("../", n)
	}
	return "./"
}

// redirect sends the browser to an address below the root. http.Redirect would make it
// absolute, without the prefix under which the dashboard is mounted.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Location", root(r)+to)
	w.WriteHeader(http.StatusSeeOther)
}

// redirectToRoot adds the slash without which relative addresses would miss the prefix.
func redirectToRoot(w http.ResponseWriter, r *http.Request) {
	asked, _, _ := strings.Cut(r.RequestURI, "?")
	to := "./"
	if last := path.Base(asked); last != "/" && last != "." {
		to = "./" + last + "/"
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusPermanentRedirect)
}

// clean reports whether a path names what it seems to: a mux would redirect others to an
// address without the prefix.
func clean(p string) bool {
	c := path.Clean(p)
	return p[0] == '/' && (p == c || p == c+"/")
}
