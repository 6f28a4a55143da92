package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/chess/engine"
)

func TestTheProgramPrintsItsMoves(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-moves=2", "-nodes=400", "-strategies=material, attack"}, &stdout, &stderr)
	if code != 0 || stderr.Len() > 0 {
		t.Fatalf("exit code %d, stderr %q", code, stderr.String())
	}
	for _, want := range []string{engine.FamousName, "\n  24. ", "\n24... ", "4 of 4 searches", "\n2 of 2 moves in "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is missing in\n%s", want, stdout.String())
		}
	}
	if strings.Contains(stdout.String(), "\x1b") {
		t.Error("there are escape sequences in what is not for a terminal")
	}
}

func TestCheckmateEndsTheProgramWell(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-fen", mateInOneFEN, "-nodes=400"}, &stdout, &stderr)
	if code != 0 || !strings.Contains(stdout.String(), "\n1. Rd8#\n") || !strings.Contains(stdout.String(), "Checkmate after 1 of 5 moves") {
		t.Errorf("exit code %d, stderr %q, stdout\n%s", code, stderr.String(), stdout.String())
	}
}

// interrupter calls interrupt when what it waits for is written.
type interrupter struct {
	bytes.Buffer
	until     string
	interrupt context.CancelFunc
}

func (w *interrupter) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte(w.until)) {
		w.interrupt()
	}
	return w.Buffer.Write(text)
}

func TestAnInterruptCancelsAndKeepsTheMoves(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout := &interrupter{until: "24. ", interrupt: cancel}
	var stderr bytes.Buffer
	code := run(ctx, []string{"-moves=100", "-nodes=400"}, stdout, &stderr)
	if code != exitCancelled || stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
	if !strings.Contains(stdout.String(), "\n24. ") || !strings.Contains(stdout.String(), "Cancelled after ") {
		t.Errorf("printed\n%s", stdout.String())
	}
}

func TestAnInterruptBeforeTheStartIsOneToo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := run(ctx, nil, io.Discard, io.Discard); code != exitCancelled {
		t.Errorf("exit code %d, want %d", code, exitCancelled)
	}
}

func TestMistakesAreOneLineAndExitCode2(t *testing.T) {
	for want, args := range map[string][]string{
		"invalid FEN":                  {"-fen", "nonsense"},
		"white is in checkmate":        {"-fen", "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"},
		"black is in stalemate":        {"-fen", stalemateFEN},
		"moves: 0; ask for 1 to 100":   {"-moves=0"},
		"moves: 101":                   {"-moves=101"},
		"nodes: -5":                    {"-nodes=-5"},
		`unknown "luck"; name some of`: {"-strategies=attack,luck"},
		"strategies: none":             {"-strategies=,"},
		"cooldown: -1s":                {"-cooldown=-1s"},
		`"attack" is named twice`:      {"-strategies=attack,attack"},
		`invalid value "many"`:         {"-moves=many"},
		"-speed":                       {"-speed=9"},
		`unexpected argument "e4"`:     {"e4"},
	} {
		t.Run(want, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), args, &stdout, &stderr)
			got := stderr.String()
			if code != exitUsage || stdout.Len() > 0 {
				t.Errorf("exit code %d, stdout %q; want 2 and nothing", code, stdout.String())
			}
			if !strings.HasPrefix(got, "chess: ") || !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
				t.Errorf("%q is not one line with %q", got, want)
			}
		})
	}
}

func TestFlagsBecomeARequest(t *testing.T) {
	o, err := parseFlags(nil, io.Discard)
	want := Request{FEN: engine.FamousFEN, N: 5, Strategies: engine.Strategies(), Nodes: engine.DefaultNodes}
	if err != nil || o.plain || !reflect.DeepEqual(o.Request, want) {
		t.Errorf("the defaults are %+v, error %v", o, err)
	}
	o, err = parseFlags([]string{"-fen", mateInOneFEN, "-moves=3", "-strategies", "mobility, attack,", "-nodes=7", "-plain"}, io.Discard)
	want = Request{FEN: mateInOneFEN, N: 3, Strategies: []string{"mobility", "attack"}, Nodes: 7}
	if err != nil || !o.plain || !reflect.DeepEqual(o.Request, want) || o.start.SideToMove != "white" {
		t.Errorf("got %+v, error %v", o, err)
	}
}

func TestHelpListsTheFlags(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"-h"}, io.Discard, &stderr); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{"-fen", "-moves", "-strategies", "-nodes", "-plain", "-cooldown", "-nomad", "-role", engine.FamousName} {
		if !strings.Contains(stderr.String(), name) {
			t.Errorf("%s is missing in\n%s", name, stderr.String())
		}
	}
}

func TestExitCodes(t *testing.T) {
	for code, err := range map[int]error{
		0:             nil,
		exitFailed:    &mn.RunError{Message: "no"},
		exitUsage:     &usageError{flag.ErrHelp},
		exitCancelled: errors.Join(errors.New("job"), mn.ErrJobCancelled),
	} {
		if got := exitCode(err); got != code {
			t.Errorf("%v: exit code %d, want %d", err, got, code)
		}
	}
}
