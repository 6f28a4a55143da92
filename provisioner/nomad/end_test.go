package nomad

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ended is an allocation whose process ran for ten seconds and ended with an event.
func ended(ev *api.TaskEvent) *api.Allocation {
	return &api.Allocation{
		ID: "0123456789ab", NodeName: "n1", ClientStatus: api.AllocClientStatusFailed, DesiredStatus: api.AllocDesiredStatusRun,
		AllocatedResources: &api.AllocatedResources{Tasks: map[string]*api.AllocatedTaskResources{
			taskName: {Memory: api.AllocatedMemoryResources{MemoryMB: 256}},
		}},
		TaskStates: map[string]*api.TaskState{taskName: {
			StartedAt: began, FinishedAt: began.Add(10 * time.Second), Events: []*api.TaskEvent{ev, {Type: api.TaskNotRestarting}},
		}},
	}
}

// unstarted is an allocation whose process never came.
func unstarted(kind, text string) *api.Allocation {
	a := ended(&api.TaskEvent{Type: kind, DisplayMessage: text})
	a.TaskStates[taskName].StartedAt, a.TaskStates[taskName].FinishedAt = time.Time{}, began
	return a
}

func exitCode(n int) *api.TaskEvent { return &api.TaskEvent{Type: api.TaskTerminated, ExitCode: n} }

func with(a *api.Allocation, change func(*api.Allocation)) *api.Allocation {
	change(a)
	return a
}

func toldToStop(a *api.Allocation) { a.DesiredStatus = api.AllocDesiredStatusStop }

func TestVerdictsSayWhatHappenedAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		alloc   *api.Allocation
		says    string
		refused bool
	}{
		"exit code":  {ended(exitCode(3)), `worker allocation 01234567 on node "n1" ended with exit code 3`, false},
		"no handler": {ended(exitCode(78)), "ended with exit code 78", true},
		"signal":     {ended(&api.TaskEvent{Type: api.TaskTerminated, ExitCode: 139, Signal: 11}), "was ended by signal 11", false},
		"killed":     {ended(&api.TaskEvent{Type: api.TaskTerminated, ExitCode: 137, Signal: 9}), "was killed by signal 9, as happens when a worker runs out of memory at its limit of 256 MiB", false},
		"hard exit":  {ended(exitCode(137)), "a handler did not return within its grace", false},
		"memory": {
			ended(&api.TaskEvent{Type: api.TaskTerminated, ExitCode: 137, Signal: 9, Details: map[string]string{"oom_killed": "true"}}),
			"ran out of memory: it was killed at its limit of 256 MiB (raise mn.Memory", false,
		},
		"image": {
			unstarted(api.TaskDriverFailure, "Failed to pull `nope:1`: Error response from daemon: manifest unknown"),
			"does the image of nomad.Docker exist, and may the nodes pull it?", true,
		},
		"program": {
			unstarted(api.TaskDriverFailure, `failed to launch command with executor: rpc error: code = Unknown desc = binary "/x" could not be found`),
			`executor: binary "/x" could not be found (the program is not where nomad.Config.Program says`, true,
		},
		"in image": {
			unstarted(api.TaskDriverFailure, `OCI runtime create failed: exec: "/mn": stat /mn: no such file or directory: unknown`),
			"the program is not where nomad.Config.Program says", true,
		},
		"in the exec driver's root": {
			unstarted(api.TaskDriverFailure, `failed to launch command with executor: rpc error: code = Unknown desc = file /mn not found under path /data/alloc/1/worker`),
			"the program is not where nomad.Config.Program says", true,
		},
		"other processor": {unstarted(api.TaskDriverFailure, "fork/exec /mn: exec format error"), "built for the nodes' operating system", true},
		"checksum":        {unstarted(api.TaskArtifactDownloadFailed, "Checksums did not match for x"), "another one than Checksum says", true},
		"artifact":        {unstarted(api.TaskArtifactDownloadFailed, "dial tcp: connection refused"), "can the nodes reach the URL", true},
		"signed URL": {
			unstarted(api.TaskArtifactDownloadFailed, `failed to download artifact "https://s/x?X-Amz-Signature=0a1b": GET https://s/x?sig=c2: 403`),
			`did not start: failed to download artifact "https://s/x": GET https://s/x: 403 (can the nodes`, true,
		},
		"setup": {unstarted(api.TaskSetupFailure, "failed to build task directory"), "failed to build task directory (see nomad alloc status)", true},
		"nothing known": {
			with(unstarted("Template", "Missing: nomad.var.block(x)"), func(a *api.Allocation) { a.ClientDescription = "Failed tasks" }),
			"did not start: Failed tasks", true,
		},
		"lost node": {with(ended(exitCode(0)), func(a *api.Allocation) { a.ClientStatus = api.AllocClientStatusLost }), "was lost with its node", false},
		"drain": {
			with(ended(exitCode(1)), func(a *api.Allocation) { toldToStop(a); a.DesiredTransition.Migrate = ptr(true) }),
			"was stopped from outside (nomad alloc stop, or its node was drained) and ended with exit code 1", false,
		},
		"job stop":        {with(ended(exitCode(1)), toldToStop), "was stopped with its Nomad job by an operator and ended with exit code 1", false},
		"early stop":      {with(unstarted("Received", ""), toldToStop), "was stopped with its Nomad job by an operator before it started", true},
		"preempted":       {with(ended(exitCode(1)), func(a *api.Allocation) { a.PreemptedByAllocation = "x"; toldToStop(a) }), "was preempted by a job of higher priority", false},
		"no state at all": {&api.Allocation{ID: "x", ClientStatus: api.AllocClientStatusFailed}, "did not start", true},
	} {
		t.Run(name, func(t *testing.T) {
			e, byItself, _ := verdict(c.alloc)
			require.False(t, byItself)
			require.Contains(t, e.Note, c.says)
			require.Equal(t, c.refused, e.Refused)
			if c.alloc.TaskStates[taskName] != nil && !c.alloc.TaskStates[taskName].StartedAt.IsZero() {
				require.Equal(t, 10*time.Second, e.Lived)
			}
		})
	}
}

func TestWorkersThatEndByThemselvesAreNoFailure(t *testing.T) {
	for name, a := range map[string]*api.Allocation{
		"exit code 0": ended(exitCode(0)),
		"drained":     with(ended(exitCode(0)), toldToStop),
		"no event":    with(ended(&api.TaskEvent{Type: "Started"}), func(a *api.Allocation) { a.ClientStatus = api.AllocClientStatusComplete }),
	} {
		_, byItself, _ := verdict(a)
		require.True(t, byItself, name)
	}
}

func TestMissingCapacityIsWorded(t *testing.T) {
	r := pools["pool"]
	for says, m := range map[string]*api.AllocationMetric{
		`no node in node pool "gpu" is ready`: {NodePool: "gpu"},
		"no node is ready in the wanted":      {NodePool: "default"},
		`of 1 node in node pool "gpu", 1 without enough free devices: missing devices`: {
			NodesEvaluated: 1, NodesExhausted: 1, NodePool: "gpu", DimensionExhausted: map[string]int{"devices: missing devices": 1},
		},
		`of 9 nodes, 5 not meeting "${attr.cpu.arch} = arm64", 3 without the driver of Config.Program, 1 without enough free memory (add`: {
			NodesEvaluated: 9, NodesFiltered: 8, NodesExhausted: 1, DimensionExhausted: map[string]int{"memory": 1},
			ConstraintFiltered: map[string]int{"missing drivers": 3, "${attr.cpu.arch} = arm64": 5},
		},
		"the Nomad quota is used up: memory": {NodesEvaluated: 1, QuotaExhausted: []string{"memory"}},
	} {
		note := noCapacity(m, r)
		require.Contains(t, note, says)
		require.True(t, strings.HasPrefix(note, "no capacity"), note)
	}
}

func TestOutputIsCutToItsEnd(t *testing.T) {
	require.Empty(t, lastLines(" \n\n"))
	require.Equal(t, "a\nb", lastLines("a\nb\n"))
	require.Equal(t, "3\n4\n5\n6\n7\n8\n9\n10", lastLines("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"))
	long := lastLines(strings.Repeat("ä", 5000) + "end")
	require.Less(t, len(long), tailBytes+8)
	require.True(t, strings.HasSuffix(long, "äend"))
}
