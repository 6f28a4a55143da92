package telemetry

import (
	"context"
	"errors"
	"fmt"

	"github.com/multinode/mn"
)

// The values of error.type. There are no others, so that metrics stay few.
const (
	typeHandler   = "handler" // the handler returned an error
	typePanic     = "panic"
	typeTimeout   = "timeout"
	typeLost      = "worker_lost"
	typeLease     = "lease_lost"
	typeCancelled = "cancelled"
	typeDraining  = "draining"
	typeDeadline  = "deadline_exceeded" // of the caller's context
	typeLocked    = "lock_in_use"
	typeFull      = "backpressure"
	typeDeep      = "too_deep"
	typeClosed    = "app_closed"
	typeLarge     = "payload_too_large"
	typeOther     = "_OTHER" // such as a backend that does not answer
)

// sendTypes are the types of a start's or call's errors other than a RunError. The first
// one that fits counts.
var sendTypes = []struct {
	is  error
	typ string
}{
	{mn.ErrLockAlreadyInUse, typeLocked},
	{mn.ErrBackpressure, typeFull},
	{mn.ErrTooDeep, typeDeep},
	{mn.ErrAppClosed, typeClosed},
	{mn.ErrPayloadTooLarge, typeLarge},
	{mn.ErrTimeout, typeTimeout}, // of the handler in which it was made, like the next three
	{mn.ErrJobCancelled, typeCancelled},
	{mn.ErrDraining, typeDraining},
	{mn.ErrLeaseLost, typeLease},
	{context.DeadlineExceeded, typeDeadline},
	{context.Canceled, typeCancelled},
}

// sendErrorType is the error.type of a start or call, "" if it did not fail.
func sendErrorType(err error) string {
	if err == nil {
		return ""
	}
	var run *mn.RunError
	if errors.As(err, &run) {
		switch {
		case run.Panicked():
			return typePanic
		case errors.Is(run, mn.ErrTimeout):
			return typeTimeout
		case errors.Is(run, mn.ErrWorkerLost):
			return typeLost
		}
		return typeHandler
	}
	for i := range sendTypes {
		if errors.Is(err, sendTypes[i].is) {
			return sendTypes[i].typ
		}
	}
	return typeOther
}

// attemptTypes are the types of what ends attempts other than their handlers.
var attemptTypes = []struct {
	is  error
	typ string
}{
	{mn.ErrTimeout, typeTimeout}, {mn.ErrJobCancelled, typeCancelled}, {mn.ErrDraining, typeDraining}, {mn.ErrLeaseLost, typeLease},
}

// attemptErrorType is the error.type of an attempt. What ended it comes as it is: an error
// of the handler may wrap the same, for example that of a call which it has made.
func attemptErrorType(err error) string {
	if err == nil {
		return ""
	}
	for i := range attemptTypes {
		if err == attemptTypes[i].is { //nolint:errorlint // see above
			return attemptTypes[i].typ
		}
	}
	if run, ok := err.(*mn.RunError); ok && run.Panicked() { //nolint:errorlint // see above
		return typePanic
	}
	return typeHandler
}

// isRunError reports whether a call was sent and failed in its handler.
func isRunError(err error) bool {
	var run *mn.RunError
	return errors.As(err, &run)
}

// errorText is an error's text. Its method may panic: handlers return what they like.
func errorText(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("panic in the Error method of a %T: %v", err, r)
		}
	}()
	return err.Error()
}

// errorStack is where the handler panicked, or "".
func errorStack(err error) string {
	var run *mn.RunError
	if errors.As(err, &run) {
		return run.Stack
	}
	return ""
}
