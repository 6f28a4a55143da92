package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

// number is the input and the output of everything that is measured. It is as small
// as can be: a larger one would cost both sides the same, and flatter the ratio.
type number struct{ N int }

// floor calls a no-op the plainest way: over a line, with the codec that mn uses by
// default and the same values.
type floor struct{ line line }

func newFloor(m *medium) (*floor, error) {
	l, err := m.dial(serveFloor)
	if err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	return &floor{l}, nil
}

// serveFloor is the no-op at the far end: decode, do nothing, encode.
func serveFloor(request []byte) []byte {
	var in number
	if err := json.Unmarshal(request, &in); err != nil {
		return nil // which the caller cannot decode
	}
	response, err := json.Marshal(in)
	if err != nil {
		return nil
	}
	return response
}

func (f *floor) call(in number) (out number, err error) {
	request, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	response, err := f.line.exchange(request)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(response, &out)
}

// floors are one floor for each of many callers: each has a worker of its own, so
// that no caller waits for another and the floor is as fast as the machine allows.
type floors []*floor

func newFloors(m *medium, n int) (fs floors, err error) {
	for range n {
		f, err := newFloor(m)
		if err != nil {
			return nil, errors.Join(err, fs.close())
		}
		fs = append(fs, f)
	}
	return fs, nil
}

func (fs floors) close() (err error) {
	for _, f := range fs {
		err = errors.Join(err, f.line.close())
	}
	return err
}
