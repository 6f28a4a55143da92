package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/chess/engine"
)

// The three definitions, each with the hardware it would get on a cluster. On a laptop
// they are goroutines, and a function of 16 cores runs all the same.
var (
	// NextMoves finds the best next moves from a position. It needs next to nothing
	// itself, because it mostly waits for the functions.
	NextMoves = mn.NewJob("next-moves", nextMoves,
		mn.CPU(0.1), mn.Memory(mn.GiB), mn.Retries(2), mn.CancellationGrace(10*time.Second))

	// Preprocess checks and describes a position.
	Preprocess = newPreprocess(cooldown)

	// Suggest lets one strategy search for its move. Two spare workers are ready for the
	// next step while the others start.
	Suggest = newSuggest(cooldown)
)

// cooldown is how long an idle worker stays unless -cooldown says otherwise.
const cooldown = 5 * time.Minute

func newPreprocess(idle time.Duration) *mn.Function[string, engine.Position] {
	return mn.NewFunction("preprocess", preprocess, mn.CPU(1), mn.Memory(mn.GiB), mn.Cooldown(idle))
}

func newSuggest(idle time.Duration) *mn.Function[engine.Request, engine.Suggestion] {
	return mn.NewFunction("suggest-move", engine.Search,
		mn.CPU(16), mn.Memory(4*mn.GiB), mn.MaxWorkers(30), mn.SpareWorkers(2), mn.Cooldown(idle))
}

// definitions are all three. Calls find a definition by its name, so one with another cooldown takes
// the place of its global.
func definitions(idle time.Duration) []mn.Definition {
	return []mn.Definition{NextMoves, newPreprocess(idle), newSuggest(idle)}
}

// maxMoves keeps what a run yields far below the payload limit.
const maxMoves = 100

// Request is what one run is asked to find.
type Request struct {
	FEN        string   `json:"fen"`             // the position to begin with
	N          int      `json:"n"`               // how many moves, both sides counted
	Strategies []string `json:"strategies"`      // who competes
	Nodes      int      `json:"nodes,omitempty"` // positions each strategy may visit in a step; 0 means engine.DefaultNodes
}

// Progress is what the job yields: all it knows so far, so that a reader needs only the
// newest, and another attempt can go on from it.
type Progress struct {
	Start     engine.Position     `json:"start"`
	Of        int                 `json:"of"`                  // how many moves are asked for
	Moves     []Move              `json:"moves,omitempty"`     // chosen so far
	Proposals []engine.Suggestion `json:"proposals,omitempty"` // for the next move, as they came in
}

// Move is one finished step: what every strategy proposed, and the best of it.
type Move struct {
	Chosen    engine.Suggestion   `json:"chosen"`
	Proposals []engine.Suggestion `json:"proposals"` // in the order of engine.Strategies
	After     engine.Position     `json:"after"`
}

// Now is the position after the moves chosen so far.
func (p Progress) Now() engine.Position { return p.Before(len(p.Moves)) }

// Before is the position in which move i, counted from 0, is played.
func (p Progress) Before(i int) engine.Position {
	if i == 0 {
		return p.Start
	}
	return p.Moves[i-1].After
}

// Finished reports whether all moves are found, or the game ended before.
func (p Progress) Finished() bool {
	return len(p.Moves) >= p.Of || p.Now().Status != engine.StatusOngoing
}

func nextMoves(ctx context.Context, in Request, yield func(Progress) bool) error {
	p, resumed := mn.LastYield[Progress](ctx) // after a crash: what is not to be computed again
	if !resumed {
		if err := in.check(); err != nil {
			return mn.Permanent(err)
		}
		start, err := Preprocess.Call(ctx, in.FEN)
		if err != nil {
			return lasting(err)
		}
		p = Progress{Start: start, Of: in.N}
		if !yield(p) {
			return context.Cause(ctx)
		}
	}
	for !p.Finished() {
		if err := propose(ctx, in, &p, yield); err != nil {
			return lasting(err)
		}
		move, err := play(ctx, p)
		if err != nil {
			return lasting(err)
		}
		p.Moves, p.Proposals = append(p.Moves, move), nil
		if !yield(p) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// propose asks all strategies in parallel, and yields with each answer, so that one can
// see who is still thinking.
func propose(ctx context.Context, in Request, p *Progress, yield func(Progress) bool) error {
	for s, err := range Suggest.Map(ctx, questions(in, *p), mn.Unordered()) {
		if err != nil {
			return err
		}
		p.Proposals = append(p.Proposals, s)
		if !yield(*p) {
			return context.Cause(ctx) // leaving the loop cancels the other searches
		}
	}
	return nil
}

// questions are the searches of the current step that have no answer yet.
func questions(in Request, p Progress) iter.Seq[engine.Request] {
	fen, answered := p.Now().FEN, p.Proposals
	return func(yield func(engine.Request) bool) {
		for _, name := range in.Strategies {
			if slices.ContainsFunc(answered, func(s engine.Suggestion) bool { return s.Strategy == name }) {
				continue
			}
			if !yield(engine.Request{FEN: fen, Strategy: name, Nodes: in.Nodes}) {
				return
			}
		}
	}
}

// play chooses the best proposal and makes its move.
func play(ctx context.Context, p Progress) (Move, error) {
	m := Move{Proposals: inOrder(p.Proposals)}
	m.Chosen = best(m.Proposals)
	fen, _, err := engine.Apply(p.Now().FEN, m.Chosen.Move)
	if err != nil {
		return m, mn.Permanent(err)
	}
	m.After, err = Preprocess.Call(ctx, fen)
	return m, err
}

// inOrder returns proposals in the order of engine.Strategies, whoever was first.
func inOrder(proposals []engine.Suggestion) []engine.Suggestion {
	order := engine.Strategies()
	return slices.SortedFunc(slices.Values(proposals), func(a, b engine.Suggestion) int {
		return cmp.Compare(slices.Index(order, a.Strategy), slices.Index(order, b.Strategy))
	})
}

// best is the proposal with the highest score, the first of them if there are several.
func best(proposals []engine.Suggestion) engine.Suggestion {
	return slices.MaxFunc(proposals, func(a, b engine.Suggestion) int {
		return cmp.Compare(a.ScoreCentipawns, b.ScoreCentipawns)
	})
}

func preprocess(_ context.Context, fen string) (engine.Position, error) { return engine.Prepare(fen) }

// lasting marks what another attempt of the job would only meet again. The engine always
// gives the same answer, so of a call's failures only a lost worker or a timeout, which
// may have been the machine's fault, are worth one.
func lasting(err error) error {
	var failed *mn.RunError
	if errors.As(err, &failed) && !errors.Is(err, mn.ErrWorkerLost) && !errors.Is(err, mn.ErrTimeout) {
		return mn.Permanent(err)
	}
	return err
}

// check finds what is wrong with a request, except its position, which is Preprocess's.
func (r Request) check() error {
	switch {
	case r.N < 1 || r.N > maxMoves:
		return fmt.Errorf("moves: %d; ask for 1 to %d", r.N, maxMoves)
	case r.Nodes < 0:
		return fmt.Errorf("nodes: %d; give a positive number, or 0 for %d", r.Nodes, engine.DefaultNodes)
	case len(r.Strategies) == 0:
		return fmt.Errorf("strategies: none; name some of %s", strings.Join(engine.Strategies(), ", "))
	}
	for i, name := range r.Strategies {
		if !slices.Contains(engine.Strategies(), name) {
			return fmt.Errorf("strategies: unknown %q; name some of %s", name, strings.Join(engine.Strategies(), ", "))
		}
		if slices.Contains(r.Strategies[:i], name) {
			return fmt.Errorf("strategies: %q is named twice; name it once", name)
		}
	}
	return nil
}
