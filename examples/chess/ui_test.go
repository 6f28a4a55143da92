package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// page asks for the dashboard's list of runs once the run has ended, and then interrupts.
type page struct {
	bytes.Buffer
	interrupt context.CancelFunc
	once      sync.Once
	status    int
	body      string
	err       error
}

var shown = regexp.MustCompile(`dashboard: (http://127\.0\.0\.1:\d+)`)

func (p *page) Write(text []byte) (int, error) {
	n, err := p.Buffer.Write(text)
	if bytes.Contains(text, []byte("stays open")) {
		p.once.Do(p.look)
	}
	return n, err
}

func (p *page) look() {
	defer p.interrupt()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var res *http.Response
	if res, p.err = client.Get(shown.FindStringSubmatch(p.String())[1] + "/jobs"); p.err != nil {
		return
	}
	defer res.Body.Close()
	p.status = res.StatusCode
	body, err := io.ReadAll(res.Body)
	p.body, p.err = string(body), err
}

// That no goroutine is left is TestMain's.
func TestTheRunIsShownInTheBrowser(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &page{interrupt: cancel}
	var stderr bytes.Buffer
	code := run(ctx, []string{"-moves=1", "-nodes=400", "-strategies=material", "-ui=:0"}, out, &stderr)
	if code != 0 || stderr.Len() > 0 || out.err != nil {
		t.Fatalf("exit code %d, stderr %q, %v", code, stderr.String(), out.err)
	}
	if out.status != http.StatusOK || !strings.Contains(out.body, "next-moves") || !strings.Contains(out.body, "succeeded") {
		t.Errorf("status %d, page\n%s", out.status, out.body)
	}
}

func TestAnAddressThatCannotBeUsedIsNamed(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-ui=nowhere"}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), `"nowhere": use host:port`) {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
}
