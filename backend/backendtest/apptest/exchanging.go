package apptest

import (
	"context"

	"github.com/multinode/mn/backend"
)

// exchanging is a linked namespace whose store is a [backend.Exchanger].
type exchanging struct {
	*linked
	exchanger backend.Exchanger
}

var _ backend.Exchanger = (*exchanging)(nil)

// Exchange implements [backend.Exchanger].
func (s *exchanging) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (backend.Exchanged, error) {
	var claim backend.Claiming
	x, err := over(ctx, s.link, func(ctx context.Context) (backend.Exchanged, error) {
		x, err := s.exchanger.Exchange(ctx, ends, req)
		claim = x.Claim
		return x, err
	})
	switch {
	case err == nil:
		s.link.settles.Add(1)
		if claim != nil {
			x.Claim = &claiming{claim, s.link}
		}
	case claim != nil: // nobody will wait for it: the line went down under it
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = claim.Wait(gone)
	}
	return x, err
}

// claiming is a claim that waits at the far end of a line.
type claiming struct {
	claim backend.Claiming
	link  *link
}

// Wait implements [backend.Claiming]. A line that was cut is cut for the claim too: it
// is withdrawn, because it must be waited for.
func (c *claiming) Wait(ctx context.Context) ([]backend.Assignment, error) {
	var waited bool
	a, err := over(ctx, c.link, func(ctx context.Context) ([]backend.Assignment, error) {
		waited = true
		return c.claim.Wait(ctx)
	})
	if !waited {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = c.claim.Wait(gone)
	}
	return a, err
}
