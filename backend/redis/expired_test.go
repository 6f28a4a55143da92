package redis

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAConnectionThatNoticesTheDeadlineFirstReportsTheContextsError(t *testing.T) {
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Millisecond))
	defer cancel()
	later, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	other := errors.New("other")

	require.ErrorIs(t, expired(past, timeout), context.DeadlineExceeded)
	require.ErrorIs(t, expired(past, timeout), timeout)
	require.Equal(t, other, expired(past, other))
	require.Equal(t, timeout, expired(later, timeout))
	require.Equal(t, timeout, expired(t.Context(), timeout))
}
