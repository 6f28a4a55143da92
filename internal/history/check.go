package history

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// World is what the checker must know of the run.
type World struct {
	// Retries is the budget of the jobs.
	Retries int
	// Lossy: workers may be lost, or drained, at any moment. Without it every attempt must
	// end as its handler did.
	Lossy bool
	// Pictures is the folder for the pictures of what is wrong.
	Pictures string
	// Patience bounds the search for an order of one job's or lock's operations; 0 means
	// 20 s.
	Patience time.Duration
}

// Violation is one rule that a history breaks.
type Violation struct {
	Rule    string
	Subject string // what is concerned
	Detail  string
	Picture string // a web page that shows the operations, if the rule is about their order
}

// String words the violation in one line, or two with a picture.
func (v Violation) String() string {
	text := fmt.Sprintf("%s: %s: %s", v.Rule, v.Subject, v.Detail)
	if v.Picture != "" {
		text += "\n  open in a browser: " + v.Picture
	}
	return text
}

// Report is what a check found.
type Report struct {
	Violations []Violation
	// Undecided are jobs and locks whose operations the search could not order in time.
	Undecided []string
	Jobs      int // checked
	Locks     int
}

// Check compares a history with the rules. It reads the whole history before it says
// anything, and takes seconds for some ten thousand operations.
func Check(ops []Op, w World) (Report, error) {
	if w.Patience == 0 {
		w.Patience = 20 * time.Second
	}
	r := &Report{}
	c := checker{world: w, report: r}
	byJob := jobs(ops)
	r.Jobs = len(byJob)
	model := jobModel{retries: w.Retries, lossy: w.Lossy}.model()
	for _, id := range sortedKeys(byJob) {
		if err := c.order("job", id, model, jobOperations(byJob[id])); err != nil {
			return *r, err
		}
	}
	locks := lockHistories(ops)
	r.Locks = len(locks)
	for _, key := range sortedKeys(locks) {
		if err := c.order("lock", key, lockModel(), locks[key]); err != nil {
			return *r, err
		}
	}
	for _, rule := range []func([]Op) []Violation{checkEndings, checkBelief, checkFencing, checkCalls} {
		found := rule(ops)
		slices.SortFunc(found, byRule)
		r.Violations = append(r.Violations, found...)
	}
	return *r, nil
}

type checker struct {
	world  World
	report *Report
}

// order looks for an order in which the model allows the operations.
func (c *checker) order(kind, name string, model porcupine.Model, ops []porcupine.Operation) error {
	result, info := porcupine.CheckOperationsVerbose(model, ops, c.world.Patience)
	switch result {
	case porcupine.Unknown:
		c.report.Undecided = append(c.report.Undecided, kind+" "+name)
	case porcupine.Illegal:
		v := Violation{
			Rule: "linearizable " + kind, Subject: kind + " " + name,
			Detail: fmt.Sprintf("no order of its %d operations explains their answers; %s", len(ops), stuck(info, ops)),
		}
		if c.world.Pictures != "" {
			path, err := filepath.Abs(filepath.Join(c.world.Pictures, kind+"-"+name+".html"))
			if err == nil {
				err = porcupine.VisualizePath(model, info, path)
			}
			if err != nil {
				return fmt.Errorf("history: picture: %w", err)
			}
			v.Picture = path
		}
		c.report.Violations = append(c.report.Violations, v)
	}
	return nil
}

// stuck names the first operation that no longest order of the others leaves room for.
func stuck(info porcupine.LinearizationInfo, ops []porcupine.Operation) string {
	var longest []int
	for _, partition := range info.PartialLinearizations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	done := make(map[int]bool)
	for _, i := range longest {
		done[i] = true
	}
	first := -1
	for i := range ops {
		if !done[i] && (first < 0 || ops[i].Return < ops[first].Return) {
			first = i
		}
	}
	if first < 0 {
		return "none fits"
	}
	return fmt.Sprintf("%d fit, then not: %v", len(longest), ops[first].Input)
}
