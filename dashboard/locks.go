package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/multinode/mn"
)

var locksPage = &page{name: "locks", nav: "locks", every: 2 * time.Second, open: openLocks}

const (
	locksPerPage = 100
	// maxLockKey bounds a cursor; keys may be shorter than that.
	maxLockKey = 4 << 10
)

type locksView struct {
	Locks []mn.LockInfo
	First bool
	Next  string // query of the next page
}

type locksSource struct {
	d     *Dashboard
	after string
}

func openLocks(d *Dashboard, r *http.Request) (source, error) {
	q := newQuery(r)
	s := &locksSource{d: d, after: q.Get("after")}
	if len(s.after) > maxLockKey {
		q.fail("after=%.80q… is longer than any lock's key.", s.after)
	}
	return s, q.err
}

func (s *locksSource) read(ctx context.Context) (any, error) {
	locks, err := s.d.inspect.Locks(ctx, s.after, locksPerPage)
	if err != nil {
		return nil, err
	}
	v := &locksView{Locks: locks, First: s.after == ""}
	if len(locks) == locksPerPage {
		v.Next = url.Values{"after": {locks[len(locks)-1].Key}}.Encode()
	}
	return v, nil
}
