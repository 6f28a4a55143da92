package dashboard

import (
	"bytes"
	"context"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// frame is what every template gets: the page's view and what surrounds it.
type frame struct {
	App    string
	Page   string
	Nav    string
	Root   string // relative way to the dashboard's root
	Assets string
	Live   string // address of the page's stream, "" if it has none
	Now    time.Time
	CanAct bool
	Token  string // "" in parts, which all watchers share
	View   any
}

// layouts are the parsed templates of each page, by name.
var layouts = parseLayouts()

// parts are the names of each page's templates that are sent anew when they change: those
// that begin with "part-".
var parts = func() map[string][]string {
	m := make(map[string][]string)
	for name, t := range layouts {
		for _, part := range t.Templates() {
			if strings.HasPrefix(part.Name(), partPrefix) {
				m[name] = append(m[name], part.Name())
			}
		}
		slices.Sort(m[name])
	}
	return m
}()

const partPrefix = "part-"

func extension(name string) string { return path.Ext(name) }

func parseLayouts() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions).ParseFS(files, "templates/shared/*.html"))
	pages, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic("dashboard: embedded files: " + err.Error()) // a fault of the build
	}
	m := make(map[string]*template.Template)
	for _, p := range pages {
		t := template.Must(template.Must(shared.Clone()).ParseFS(files, p))
		m[strings.TrimSuffix(path.Base(p), ".html")] = t
	}
	return m
}

func (d *Dashboard) frame(r *http.Request, p *page, view any) frame {
	return frame{
		App: d.app.Name(), Page: p.name, Nav: p.nav, Root: root(r), Assets: root(r) + "assets/" + assetsVersion + "/",
		Now: time.Now(), CanAct: d.cfg.authorize != nil, View: view,
	}
}

// show serves a page.
func (d *Dashboard) show(p *page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		src, err := p.open(d, r)
		if err != nil {
			d.fail(w, r, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), readBound)
		defer cancel()
		view, err := src.read(ctx)
		if err != nil {
			d.fail(w, r, err)
			return
		}
		f := d.frame(r, p, view)
		f.Live = f.Root + "live" + r.URL.EscapedPath()
		if r.URL.RawQuery != "" {
			f.Live += "?" + r.URL.RawQuery
		}
		if f.CanAct {
			f.Token = token(w, r)
		}
		d.write(w, r, http.StatusOK, f)
	}
}

// fail answers with a readable page, whatever the error is.
func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := explain(err)
	f := d.frame(r, &page{name: "problem"}, struct {
		Status int
		Title  string
		Text   string
	}{p.status, http.StatusText(p.status), p.text})
	d.write(w, r, p.status, f)
}

func (d *Dashboard) write(w http.ResponseWriter, r *http.Request, status int, f frame) {
	var buf bytes.Buffer
	if err := layouts[f.Page].ExecuteTemplate(&buf, "layout", f); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = buf.WriteTo(w)
	}
}

// renderParts makes the markup of a page's parts.
func renderParts(f *frame) (map[string]string, error) {
	out := make(map[string]string)
	for _, name := range parts[f.Page] {
		var buf bytes.Buffer
		if err := layouts[f.Page].ExecuteTemplate(&buf, name, f); err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(name, partPrefix)] = buf.String()
	}
	return out, nil
}

// changed returns the entries of now that before does not have, in name order.
func changed(before, now map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if old, ok := before[name]; !ok || old != now[name] {
			names = append(names, name)
		}
	}
	return names
}
