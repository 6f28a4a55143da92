package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/multinode/mn/examples/chess/engine"
	"github.com/multinode/mn/examples/where"
)

// options are what the command line says.
type options struct {
	Request
	plain    bool
	ui       string // address of the dashboard, "" for none
	cooldown time.Duration
	at       where.Flags
	start    engine.Position // what Request.FEN describes
}

// parseFlags reads and checks the arguments. For -h it prints the usage to out and
// returns flag.ErrHelp.
func parseFlags(args []string, out io.Writer) (options, error) {
	var o options
	var names string
	flags := flag.NewFlagSet("chess", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // one line about a mistake, not a page
	flags.StringVar(&o.FEN, "fen", engine.FamousFEN, "the `position` in Forsyth-Edwards Notation; the default is\n"+engine.FamousName+"\n")
	flags.IntVar(&o.N, "moves", 5, "how `many` moves to find, both sides counted")
	flags.StringVar(&names, "strategies", strings.Join(engine.Strategies(), ","), "who competes, a comma-separated `list`\n")
	flags.IntVar(&o.Nodes, "nodes", engine.DefaultNodes, "how many `positions` each strategy may visit in a step")
	flags.BoolVar(&o.plain, "plain", false, "no colour and no redrawing; so it is anyway if the output is not a terminal")
	flags.DurationVar(&o.cooldown, "cooldown", cooldown, "how `long` an idle worker of a function stays")
	flags.StringVar(&o.ui, "ui", "", "show the run in the browser at this `address`, as :8080, and stay until Ctrl-C;\nwithout a host only this machine may look")
	o.at.Register(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(out)
		flags.Usage()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w; -h lists the flags", err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; -h lists the flags (quote a FEN)", flags.Arg(0))
	}
	o.Strategies = splitList(names)
	o.at.Args = []string{"-cooldown", o.cooldown.String()}
	return o, o.check()
}

// check is Request.check and the position's, which the job would refuse as well, only
// later.
func (o *options) check() (err error) {
	if err := o.Request.check(); err != nil {
		return err
	}
	if err := o.at.Check(); err != nil {
		return err
	}
	if o.cooldown < 0 {
		return fmt.Errorf("cooldown: %s; give a time such as 30s", o.cooldown)
	}
	if o.start, err = engine.Prepare(o.FEN); err != nil {
		return err
	}
	if o.start.Status != engine.StatusOngoing {
		return fmt.Errorf("fen: the game is over, %s is in %s; give a position with a move to play", o.start.SideToMove, o.start.Status)
	}
	return nil
}

func splitList(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
