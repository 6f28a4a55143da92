package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
)

// policy allows scripts and styles from the dashboard's own files alone, none inline, and
// the making of markup to one named place in live.js.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types mn"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

const (
	tokenCookie = "mn-dashboard"
	tokenField  = "token"
	// maxForm bounds what an action's request may send.
	maxForm = 64 << 10
)

// token is the browser's token, which actions must repeat. Another site can neither read
// it nor send the cookie. All dashboards of a host share it, so that any replica behind a
// proxy may answer.
func token(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(tokenCookie); err == nil && len(c.Value) == len(rand.Text()) {
		return c.Value
	}
	t := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: tokenCookie, Value: t, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
	return t
}

// permit checks a request that wants to act: its size, its origin, its token, and then
// whether the user may.
func (d *Dashboard) permit(w http.ResponseWriter, r *http.Request, action func() (Action, error)) error {
	if d.cfg.authorize == nil {
		return problem{http.StatusForbidden, "This dashboard is read-only: it was made without dashboard.Authorize."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("The request is larger than %d bytes.", maxForm)}
		}
		return problem{http.StatusBadRequest, "The form cannot be read: " + err.Error()}
	}
	if err := d.origin.Check(r); err != nil {
		return problem{http.StatusForbidden, "The request comes from another site. If a proxy changes the Host header, give dashboard.TrustedOrigin."}
	}
	c, err := r.Cookie(tokenCookie)
	if err != nil || c.Value == "" || subtle.ConstantTimeCompare([]byte(c.Value), []byte(r.PostForm.Get(tokenField))) != 1 {
		return problem{http.StatusForbidden, "The form's token does not fit this browser. Load the page anew and try again; cookies must be allowed."}
	}
	a, err := action()
	if err != nil {
		return err
	}
	if err := d.cfg.authorize(r, a); err != nil {
		return problem{http.StatusForbidden, "Not authorized: " + err.Error()}
	}
	return nil
}
