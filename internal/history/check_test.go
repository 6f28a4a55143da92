package history_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/internal/history"
)

// The steps of hand-written histories. One follows the other unless it says otherwise.

func inOrder(ops ...history.Op) []history.Op {
	for i := range ops {
		ops[i].Number, ops[i].Process = int64(i), "hand"
		if ops[i].Call == 0 {
			ops[i].Call = int64(10*i + 10)
		}
		if ops[i].Return == 0 {
			ops[i].Return = ops[i].Call + 5
		}
	}
	return ops
}

func during(call, ret int64, op history.Op) history.Op {
	op.Call, op.Return = call, ret
	return op
}

func start(job string, outcome history.Outcome, locks ...string) history.Op {
	return history.Op{Kind: history.Start, Job: job, Outcome: outcome, Locks: locks}
}

func refused(op history.Op, key, holder string) history.Op {
	op.Outcome, op.Key, op.Holder = history.Refused, key, holder
	return op
}

func wish(kind history.Kind, job string, outcome history.Outcome) history.Op {
	return history.Op{Kind: kind, Job: job, Outcome: outcome}
}

func get(job, status string, attempt int, v history.Value) history.Op {
	return history.Op{
		Kind: history.Get, Job: job, Outcome: history.OK,
		View: &history.View{Status: status, Attempt: attempt, Yields: v.Number, Value: v},
	}
}

func failed(op history.Op, why string) history.Op {
	op.View.Failure = why
	return op
}

func missing(job string) history.Op {
	return history.Op{Kind: history.Get, Job: job, Outcome: history.Missing}
}

func final(op history.Op) history.Op {
	op.Final = true
	return op
}

func begin(job string, attempt int, token uint64, last history.Value) history.Op {
	return history.Op{Kind: history.Begin, Job: job, Attempt: attempt, Token: token, View: &history.View{Value: last, Partial: true}}
}

func yield(job string, token, number uint64, outcome history.Outcome) history.Op {
	return history.Op{Kind: history.Yield, Job: job, Token: token, Yield: number, Sync: true, Outcome: outcome}
}

func returned(job string, token uint64, how history.Ending) history.Op {
	return history.Op{Kind: history.Return, Job: job, Token: token, Ending: how}
}

func tryLock(job string, token uint64, outcome history.Outcome, key string) history.Op {
	return history.Op{Kind: history.TryLock, Job: job, Token: token, Outcome: outcome, Locks: []string{key}}
}

func held(key, holder string) history.Op {
	op := history.Op{Kind: history.List, Outcome: history.OK, Locks: []string{key}}
	if holder != "" {
		op.Held = map[string]string{key: holder}
	}
	return op
}

func believe(job string, token uint64, from, until int64, locks ...string) history.Op {
	return history.Op{Kind: history.Believe, Job: job, Token: token, Call: from, Return: until, Locks: locks}
}

func called(input, result string, outcome history.Outcome) history.Op {
	return history.Op{Kind: history.Call, Input: input, Result: result, Outcome: outcome}
}

func executed(id, input, result string) history.Op {
	return history.Op{Kind: history.Execute, ID: id, Input: input, Result: result, Outcome: history.OK}
}

func delivered(id, result string, outcome history.Outcome) history.Op {
	return history.Op{Kind: history.Deliver, ID: id, Result: result, Outcome: outcome}
}

var none = history.Value{}

func val(token, number uint64) history.Value { return history.Value{Token: token, Number: number} }

// life is a job without a flaw.
func life(job string, token uint64, locks ...string) []history.Op {
	return []history.Op{
		start(job, history.OK, locks...), get(job, "PENDING", 0, none),
		begin(job, 1, token, none), get(job, "RUNNING", 1, none),
		yield(job, token, 1, history.OK), get(job, "RUNNING", 1, val(token, 1)),
		returned(job, token, history.EndNil), get(job, "SUCCEEDED", 1, val(token, 1)),
	}
}

func with(ops []history.Op, more ...history.Op) []history.Op { return append(ops, more...) }

// Rules, as violations name them.
const (
	order    = "linearizable job"
	orderOf  = "linearizable lock"
	endings  = "one ending"
	believer = "one believer"
	tokens   = "growing tokens"
	results  = "one result"
)

var written = []struct {
	name  string
	world history.World
	ops   []history.Op
	rules []string // that it breaks
}{
	{name: "a job's life", ops: life("A", 7, "k")},
	{
		name: "a terminal status that changes", rules: []string{endings, order},
		ops: with(life("A", 7), failed(get("A", "FAILED", 1, val(7, 1)), history.FailureError)),
	},
	{name: "a terminal status that is left", rules: []string{order}, ops: with(life("A", 7), get("A", "RUNNING", 1, val(7, 1)))},
	{name: "an end written twice", rules: []string{endings}, ops: with(life("A", 7), func() history.Op {
		op := get("A", "SUCCEEDED", 1, val(7, 1))
		op.View.Ended = 99
		return op
	}())},
	{name: "a success before its handler returned", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), get("A", "SUCCEEDED", 1, none),
	}},
	{name: "a success of a handler that failed", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), returned("A", 7, history.EndError), get("A", "SUCCEEDED", 1, none),
	}},
	{name: "a cancel that nobody wished", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), get("A", "CANCELLED", 0, none),
	}},
	{name: "a cancel that is forgotten", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), wish(history.Cancel, "A", history.OK), get("A", "RUNNING", 1, none),
	}},
	{name: "a cancel without an answer may come late", ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), wish(history.Cancel, "A", history.Unknown),
		get("A", "RUNNING", 1, none), get("A", "CANCELLING", 1, none), get("A", "CANCELLED", 1, none),
	}},
	{name: "a cancel without an answer cannot come before it was called", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), get("A", "CANCELLING", 1, none), wish(history.Cancel, "A", history.Unknown),
	}},
	{name: "a success after the cancel", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), wish(history.Cancel, "A", history.OK),
		returned("A", 7, history.EndNil), get("A", "SUCCEEDED", 1, none),
	}},
	{name: "a job that nobody removed is gone", rules: []string{order}, ops: with(life("A", 7), missing("A"))},
	{
		name: "a removed job is there", rules: []string{order},
		ops: with(life("A", 7), wish(history.Remove, "A", history.OK), get("A", "SUCCEEDED", 1, val(7, 1))),
	},
	{name: "a removed job is gone", ops: with(life("A", 7), wish(history.Remove, "A", history.OK), missing("A"))},
	{name: "a refused start took place", rules: []string{order}, ops: []history.Op{
		start("B", history.OK, "k"), refused(start("A", history.Refused, "k"), "k", "B"), get("A", "PENDING", 0, none),
	}},
	{name: "a start without an answer took place later", ops: []history.Op{
		start("A", history.Unknown), missing("A"), get("A", "PENDING", 0, none),
	}},
	{name: "a job that nobody started", rules: []string{order}, ops: []history.Op{get("A", "PENDING", 0, none)}},
	{
		name: "a second start that begins anew", rules: []string{order},
		ops: with(life("A", 7), start("A", history.OK), get("A", "PENDING", 0, none)),
	},
	{name: "a second start of an ID does nothing", ops: with(life("A", 7), start("A", history.OK), get("A", "SUCCEEDED", 1, val(7, 1)))},
	{name: "a yield that is read before it was yielded", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), get("A", "RUNNING", 1, val(7, 1)), yield("A", 7, 1, history.OK),
	}},
	{name: "a yield that goes back", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), yield("A", 7, 1, history.OK), yield("A", 7, 2, history.OK),
		get("A", "RUNNING", 1, val(7, 1)),
	}},
	{name: "a yield without an answer may come late", ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), yield("A", 7, 1, history.Unknown),
		get("A", "RUNNING", 1, none), get("A", "RUNNING", 1, val(7, 1)),
	}},
	{name: "a yield without an answer comes with the end at the latest", rules: []string{order}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), yield("A", 7, 1, history.Unknown),
		returned("A", 7, history.EndNil), get("A", "SUCCEEDED", 1, none),
	}},
	{name: "a lost worker's attempt is followed by the next", world: history.World{Lossy: true, Retries: 1}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), yield("A", 7, 1, history.OK),
		get("A", "PENDING", 1, val(7, 1)), begin("A", 2, 8, val(7, 1)), yield("A", 8, 2, history.OK), get("A", "RUNNING", 2, val(8, 2)),
	}},
	{
		name: "an attempt that resumes from what is not the newest yield", rules: []string{order},
		world: history.World{Lossy: true, Retries: 1}, ops: []history.Op{
			start("A", history.OK), begin("A", 1, 7, none), yield("A", 7, 1, history.OK), begin("A", 2, 8, none),
		},
	},
	{name: "a stale lease that writes", rules: []string{order}, world: history.World{Lossy: true, Retries: 1}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), begin("A", 2, 8, none), yield("A", 8, 1, history.OK), yield("A", 7, 2, history.OK),
	}},
	{name: "a stale lease whose late end counts", rules: []string{order}, world: history.World{Lossy: true, Retries: 1}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), begin("A", 2, 8, none), yield("A", 8, 1, history.OK),
		returned("A", 7, history.EndNil), get("A", "SUCCEEDED", 2, val(8, 1)),
	}},
	{name: "more attempts than the budget", rules: []string{order}, world: history.World{Lossy: true, Retries: 1}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), begin("A", 2, 8, none), begin("A", 3, 9, none),
	}},
	{name: "a worker is lost where none can be", rules: []string{order}, world: history.World{Retries: 1}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), begin("A", 2, 8, none),
	}},

	{name: "a lock of two", rules: []string{orderOf}, ops: []history.Op{
		start("A", history.OK, "k"), start("B", history.OK, "k"), get("A", "PENDING", 0, none),
	}},
	{name: "a lock that is freed before the end", rules: []string{orderOf}, ops: []history.Op{
		start("A", history.OK, "k"), begin("A", 1, 7, none), held("k", ""), get("A", "RUNNING", 1, none),
	}},
	{name: "a lock that is kept after the end", rules: []string{orderOf}, ops: with(life("A", 7, "k"), held("k", "A"))},
	{name: "a lock goes to the next at the end", ops: with(life("A", 7, "k"), life("B", 8, "k")...)},
	{
		name: "a lock that is freed anew by its last holder", rules: []string{orderOf},
		ops: with(life("A", 7, "k"), start("B", history.OK, "k"), held("k", ""), get("B", "PENDING", 0, none)),
	},
	{name: "a refusal that names one who never held it", rules: []string{orderOf}, ops: []history.Op{
		start("A", history.OK, "k"), start("B", history.OK), refused(start("C", "", "k"), "k", "B"), get("A", "PENDING", 0, none),
	}},
	{
		name: "a refusal that names one who held it before", rules: []string{orderOf},
		ops: with(life("A", 7, "k"), refused(start("B", "", "k"), "k", "A")),
	},
	{name: "a refused start that keeps the other lock", rules: []string{orderOf}, ops: []history.Op{
		start("A", history.OK, "k"), refused(start("B", "", "j", "k"), "k", "A"), held("j", "B"),
	}},
	{name: "a lock tried for is held to the end", rules: []string{orderOf}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), tryLock("A", 7, history.OK, "k"), held("k", ""), get("A", "RUNNING", 1, none),
	}},
	{name: "a lock tried for without an answer may be held", ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), tryLock("A", 7, history.Unknown, "k"), held("k", ""), held("k", "A"),
		get("A", "RUNNING", 1, none),
	}},
	{name: "a lock tried for that was another's", rules: []string{orderOf}, ops: []history.Op{
		start("A", history.OK, "k"), start("B", history.OK), begin("B", 1, 7, none), tryLock("B", 7, history.OK, "k"),
		get("A", "PENDING", 0, none),
	}},
	{name: "a start without an answer that holds its lock", ops: []history.Op{
		start("A", history.Unknown, "k"), held("k", ""), refused(start("B", "", "k"), "k", "A"),
	}},

	{name: "a job that never ends", rules: []string{endings}, ops: []history.Op{
		start("A", history.OK), final(get("A", "PENDING", 0, none)),
	}},
	{name: "a job whose end is lost", rules: []string{endings, order}, ops: with(life("A", 7), final(missing("A")))},
	{name: "two that believe to hold a lock", rules: []string{believer}, ops: []history.Op{
		believe("A", 7, 100, 200, "k"), believe("B", 8, 190, 300, "k"),
	}},
	{name: "two attempts that believe to be the one", rules: []string{believer}, ops: []history.Op{
		believe("A", 7, 100, 200), believe("A", 8, 190, 300),
	}},
	{name: "a believer after the other", ops: []history.Op{
		believe("A", 7, 100, 200, "k"), believe("A", 7, 200, 250, "k"), believe("B", 8, 251, 300, "k"),
	}},
	{name: "a token given twice", rules: []string{tokens}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 7, none), start("B", history.OK), begin("B", 1, 7, none),
	}},
	{name: "a token that shrinks with the attempts", rules: []string{tokens, order}, world: history.World{Lossy: true, Retries: 1}, ops: []history.Op{
		start("A", history.OK), begin("A", 1, 8, none), begin("A", 2, 7, none),
	}},
	{
		name: "a token that shrinks from one holder of a lock to the next", rules: []string{tokens},
		ops: with(life("A", 8, "k"), life("B", 7, "k")...),
	},

	{name: "a call and its result", ops: []history.Op{
		executed("1", "x", "r"), delivered("1", "r", history.OK), delivered("1", "r", history.OK), during(5, 90, called("x", "r", history.OK)),
	}},
	{name: "a call executed twice has one result", ops: []history.Op{
		executed("1", "x", "q"), executed("1", "x", "r"), delivered("1", "r", history.OK), during(5, 90, called("x", "r", history.OK)),
	}},
	{name: "a result recorded twice", rules: []string{results}, ops: []history.Op{
		executed("1", "x", "q"), executed("1", "x", "r"), delivered("1", "r", history.OK), delivered("1", "q", history.OK),
	}},
	{name: "an error and a result", rules: []string{results}, ops: []history.Op{
		executed("1", "x", "r"), delivered("1", "", history.Erred), delivered("1", "r", history.OK),
	}},
	{name: "a result that nobody made", rules: []string{results}, ops: []history.Op{called("x", "r", history.OK)}},
	{name: "another call's result", rules: []string{results}, ops: []history.Op{
		executed("1", "y", "r"), during(5, 90, called("x", "r", history.OK)),
	}},
	{name: "another call's result is delivered", rules: []string{results}, ops: []history.Op{
		executed("1", "y", "r"), delivered("2", "r", history.OK),
	}},
	{name: "two results of one call", rules: []string{results}, ops: []history.Op{
		executed("1", "x", "q"), executed("1", "x", "r"), during(5, 90, called("x", "r", history.OK)), during(5, 90, called("x", "q", history.OK)),
	}},
}

func TestEachRuleFindsWhatBreaksItAndNothingElse(t *testing.T) {
	for _, c := range written {
		t.Run(c.name, func(t *testing.T) {
			report, err := history.Check(inOrder(c.ops...), c.world)
			require.NoError(t, err)
			require.Empty(t, report.Undecided)
			broken := make(map[string]bool)
			for _, v := range report.Violations {
				broken[v.Rule] = true
			}
			want := make(map[string]bool)
			for _, rule := range c.rules {
				want[rule] = true
			}
			require.Equal(t, want, broken, "%v", report.Violations)
		})
	}
}

func TestAViolationOfOrderHasAPicture(t *testing.T) {
	ops := inOrder(with(life("A", 7, "k"), held("k", "A"))...)
	report, err := history.Check(ops, history.World{Pictures: t.TempDir()})
	require.NoError(t, err)
	require.Len(t, report.Violations, 1)
	require.Contains(t, report.Violations[0].String(), report.Violations[0].Picture)
	page, err := os.ReadFile(report.Violations[0].Picture)
	require.NoError(t, err)
	require.Contains(t, string(page), "is held by A")
}

// What is recorded is read again, and what a killed process was doing is known.
func TestRecordsSurviveTheirProcess(t *testing.T) {
	dir := t.TempDir()
	rec, err := history.NewRecorder(dir, "p")
	require.NoError(t, err)
	_, err = history.NewRecorder(dir, "p")
	require.Error(t, err, "two processes cannot share a file")
	p := rec.Begin(start("A", "", "k"))
	rec.Begin(start("B", "", "k"))
	rec.Note(begin("A", 1, 7, none))
	p.End(history.OK)
	ops, err := history.Read(dir) // the file is not even closed
	require.NoError(t, err)
	require.NoError(t, rec.Close())
	require.Len(t, ops, 3)
	require.Equal(t, history.OK, ops[0].Outcome)
	require.GreaterOrEqual(t, ops[0].Return, ops[2].Return)
	require.Equal(t, history.Unknown, ops[1].Outcome)
	require.Equal(t, int64(history.Never), ops[1].Return)
	require.LessOrEqual(t, ops[0].Call, ops[1].Call)
}
