package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/multinode/mn"
)

// problem is why a request fails, with its status and a sentence for people.
type problem struct {
	status int
	text   string
}

func (p problem) Error() string { return p.text }

var notFound = problem{http.StatusNotFound, "There is no such page."}

func badQuery(format string, args ...any) error {
	return problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// explain finds the status and the words for an error.
func explain(err error) problem {
	var p problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, mn.ErrJobDoesNotExist):
		return problem{http.StatusNotFound, "There is no such run: it was never started here, or it was removed. Calls of functions have no page of their own."}
	case errors.Is(err, mn.ErrNotEnded), errors.Is(err, mn.ErrLockAlreadyInUse):
		return problem{http.StatusConflict, err.Error()}
	case errors.Is(err, mn.ErrBackpressure):
		return problem{http.StatusServiceUnavailable, err.Error()}
	case errors.Is(err, mn.ErrAppClosed), errors.Is(err, context.Canceled):
		return problem{http.StatusServiceUnavailable, "The app was shut down."}
	case errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusGatewayTimeout, "The backend did not answer in time."}
	}
	return problem{http.StatusBadGateway, err.Error()}
}
