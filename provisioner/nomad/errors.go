package nomad

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// requestBound is how long one request may take.
const requestBound = 10 * time.Second

// refusal is an answer that will not change by asking again.
type refusal struct{ note string }

func (r *refusal) Error() string { return r.note }

// explained is a failure worded for the user; what caused it is there for errors.Is.
type explained struct {
	note  string
	cause error
}

func (e *explained) Error() string { return e.note }
func (e *explained) Unwrap() error { return e.cause }

// status is an answer's HTTP status; 0 if there was none.
func status(err error) int {
	var answer api.UnexpectedResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode()
	}
	return 0
}

// says reports whether an answer's text contains one of the phrases. Nomad answers most faults
// with status 500 and tells them apart by text alone.
func says(err error, phrases ...string) bool {
	if err == nil || status(err) == 0 {
		return false
	}
	for _, phrase := range phrases {
		if strings.Contains(err.Error(), phrase) {
			return true
		}
	}
	return false
}

// isMissing: there is no such job.
func isMissing(err error) bool {
	return status(err) == http.StatusNotFound || says(err, "parameterized job not found", "job not found")
}

// isConflict: somebody has registered the job in between.
func isConflict(err error) bool {
	return status(err) == http.StatusConflict || says(err, api.RegisterEnforceIndexErrPrefix)
}

func isForbidden(err error) bool {
	return status(err) == http.StatusForbidden || says(err, "Permission denied", "ACL token not found", "ACL token expired")
}

// isFinal reports whether an answer will be the same when asked again.
func isFinal(err error) bool {
	var r *refusal
	switch code := status(err); {
	case errors.As(err, &r), isMissing(err), isForbidden(err):
		return true
	case code == http.StatusTooManyRequests, code == http.StatusConflict, code == http.StatusRequestTimeout:
		return false
	case code >= 400 && code < 500:
		return true
	}
	return isTLS(err) || says(err, "nonexistent", "Specified job", "unpermitted metadata", "Payload", "error occurred", "errors occurred",
		"job registration, dispatch, and scale are disabled", "exceeds maximum", "alidation failed")
}

// isTLS: the two sides do not trust, or not even understand, each other.
func isTLS(err error) bool {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	return errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &name) || errors.As(err, &record) ||
		err != nil && strings.Contains(err.Error(), "HTTP response to HTTPS client") || says(err, "HTTP request to an HTTPS server")
}

// launchRights are those without which nothing works.
const launchRights = "dispatch-job and read-job, and submit-job for app.Deploy"

// explain words a failed request for the user, with the remedy.
func (p *Provisioner) explain(what string, err error) string {
	return p.explainFor(what, launchRights, err)
}

// explainFor is explain for a request that needs other rights.
func (p *Provisioner) explainFor(what, rights string, err error) string {
	remedy := ""
	var told *refusal
	switch {
	case errors.As(err, &told): // with its remedy
	case isForbidden(err):
		remedy = fmt.Sprintf("the token of NOMAD_TOKEN or Config.Token is unknown, expired, or lacks a right in namespace %q: "+
			"it needs %s", p.namespace(), rights)
	case says(err, "nonexistent node pool"):
		remedy = "create it with nomad node pool apply, or set Config.Placement.NodePool"
	case says(err, "nonexistent namespace"):
		remedy = "create it with nomad namespace apply, or set NOMAD_NAMESPACE or Config.Namespace"
	case says(err, "is stopped"):
		remedy = "somebody has stopped the job: run app.Deploy to bring it back"
	case isMissing(err):
		remedy = fmt.Sprintf("run app.Deploy first, in namespace %q", p.namespace())
	case status(err) == http.StatusTooManyRequests:
		remedy = "Nomad is limiting requests: lower Config.DispatchRate, or raise its limits"
	case isTLS(err):
		remedy = "check Config.TLS or NOMAD_CACERT, NOMAD_CLIENT_CERT and NOMAD_CLIENT_KEY, and https:// in the address"
	case status(err) == 0:
		remedy = fmt.Sprintf("is there a Nomad agent at %s? Set NOMAD_ADDR or nomad.Config.Address", withoutPassword(p.cfg.Address))
	}
	note := fmt.Sprintf("%s: %s", what, strings.Join(strings.Fields(err.Error()), " "))
	if remedy != "" {
		note += " (" + remedy + ")"
	}
	return p.clean(note)
}

func (p *Provisioner) namespace() string {
	if p.cfg.Namespace == "" {
		return api.DefaultNamespace
	}
	return p.cfg.Namespace
}

// longestNote bounds what is stored with a failed task.
const longestNote = 2048

// clean makes a text of the platform fit for users: without the token, without control
// characters, and not too long.
func (p *Provisioner) clean(text string) string {
	if p.cfg.Token != "" {
		text = strings.ReplaceAll(text, p.cfg.Token, redacted)
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > longestNote {
		text = strings.ToValidUTF8(text[:longestNote], "") + "…"
	}
	return text
}

// request bounds one request.
func request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestBound)
}

// pause waits before the next try of something that failed: 100 ms doubling to 5 s, with half
// of it random so that many do not come back at the same moment. false if ctx ended.
func pause(ctx context.Context, try int) bool {
	d := min(100*time.Millisecond<<min(try, 10), 5*time.Second)
	return sleep(ctx, d/2+rand.N(d/2))
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
