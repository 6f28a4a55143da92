package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// Exit codes. Scripts rely on them; docs/cli.md lists them.
const (
	ExitOK          = 0
	ExitFailed      = 1   // the run, the call or the command failed
	ExitUsage       = 2   // flags, arguments, JSON or the configuration file
	ExitNotFound    = 3   // no such run, definition or app
	ExitUnreachable = 4   // Redis does not answer, or refuses the user
	ExitRefused     = 5   // not now: a lock is in use, too much waits, the run has not ended
	ExitInterrupted = 130 // by Ctrl-C or SIGTERM, as shells have it
)

// codedError is an error with its exit code.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &codedError{ExitUsage, fmt.Errorf(format, args...)}
}

func coded(code int, format string, args ...any) error {
	return &codedError{code, fmt.Errorf(format, args...)}
}

// errSilent fails a command that has said everything itself.
var errSilent = errors.New("failed")

// exitCode is an error's exit code.
func exitCode(ctx context.Context, err error) int {
	var coded *codedError
	var run *mn.RunError
	var network net.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.code
	case ctx.Err() != nil:
		return ExitInterrupted
	case errors.As(err, &run), errors.Is(err, mn.ErrJobCancelled):
		return ExitFailed
	case errors.Is(err, mn.ErrJobDoesNotExist), errors.Is(err, mn.ErrUnknownDefinition):
		return ExitNotFound
	case errors.Is(err, mn.ErrLockAlreadyInUse), errors.Is(err, mn.ErrBackpressure), errors.Is(err, mn.ErrNotEnded):
		return ExitRefused
	case errors.Is(err, backend.ErrForeign):
		return ExitFailed
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF), refused(err):
		return ExitUnreachable
	}
	return ExitFailed
}

// refused reports whether the server turned the user away or cannot serve now.
func refused(err error) bool {
	for _, mark := range []string{"NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY"} {
		if strings.Contains(err.Error(), mark) {
			return true
		}
	}
	return false
}

// report tells the error and returns its exit code.
func (t *tool) report(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	switch {
	case err == nil, errors.Is(err, errSilent), code == ExitInterrupted:
	case t.json:
		line, _ := json.Marshal(struct {
			Error string `json:"error"`
			Exit  int    `json:"exit"`
		}{err.Error(), code})
		fmt.Fprintln(t.errs, term.JSON(string(line)))
	default:
		text := strings.TrimPrefix(err.Error(), "mn: ")
		fmt.Fprintln(t.errs, term.Red("mn:")+" "+term.Text(text))
	}
	return code
}
