package nomad

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

// verdict words how an allocation ended. byItself: the worker ended as it should, so that there
// is nothing to report. ran: it has written output that may say more.
func verdict(a *api.Allocation) (e provisioner.Exit, byItself, ran bool) {
	ts := a.TaskStates[taskName]
	if ts == nil {
		ts = new(api.TaskState)
	}
	ran = !ts.StartedAt.IsZero()
	if ran && ts.FinishedAt.After(ts.StartedAt) {
		e.Lived = ts.FinishedAt.Sub(ts.StartedAt)
	}
	e.Refused = !ran
	terminated := lastEvent(ts, api.TaskTerminated)
	where := fmt.Sprintf("worker allocation %.8s on node %q ", a.ID, a.NodeName)
	switch outside := stoppedBy(a); {
	case a.ClientStatus == api.AllocClientStatusLost:
		e.Refused = false
		e.Note = where + "was lost with its node: the node stopped answering, or was removed"
	case terminated != nil && terminated.ExitCode == 0 && terminated.Signal == 0 && terminated.Details["oom_killed"] != "true":
		return e, true, true
	case terminated != nil:
		e.Note = where + outside + exitNote(a, terminated)
		if terminated.ExitCode == provisioner.ExitRefused {
			e.Refused = true
		}
	case outside != "":
		e.Note = where + strings.TrimSuffix(outside, " and ") + " before it started"
	case ran && a.ClientStatus == api.AllocClientStatusComplete:
		return e, true, true
	default:
		e.Note = where + startFailure(a, ts)
	}
	return e, false, ran
}

// exitNote words the end of a process that ran.
func exitNote(a *api.Allocation, ev *api.TaskEvent) string {
	limit := ""
	if r := a.AllocatedResources; r != nil && r.Tasks[taskName] != nil {
		m := r.Tasks[taskName].Memory
		limit = fmt.Sprintf(" of %d MiB", max(m.MemoryMB, m.MemoryMaxMB))
	}
	switch {
	case ev.Details["oom_killed"] == "true":
		return fmt.Sprintf("ran out of memory: it was killed at its limit%s (raise mn.Memory, or nomad.Placement.MemoryMax)", limit)
	case ev.ExitCode == provisioner.ExitKilled && ev.Signal == 0:
		return "ended with exit code 137: it was killed by force, because a handler did not return within its grace or the kernel ran out of memory"
	case ev.Signal == 9: // not every driver knows who it was
		return fmt.Sprintf("was killed by signal 9, as happens when a worker runs out of memory at its limit%s (then raise mn.Memory)", limit)
	case ev.Signal != 0:
		return fmt.Sprintf("was ended by signal %d", ev.Signal)
	}
	return fmt.Sprintf("ended with exit code %d", ev.ExitCode)
}

// stoppedBy says who told the allocation to stop, as the begin of a sentence; "" if nobody did.
func stoppedBy(a *api.Allocation) string {
	move := a.DesiredTransition.Migrate != nil && *a.DesiredTransition.Migrate
	switch {
	case a.PreemptedByAllocation != "" || a.DesiredStatus == api.AllocDesiredStatusEvict:
		return "was preempted by a job of higher priority and "
	case a.DesiredStatus != api.AllocDesiredStatusStop:
		return ""
	case move:
		return "was stopped from outside (nomad alloc stop, or its node was drained) and "
	}
	return "was stopped with its Nomad job by an operator and "
}

func lastEvent(ts *api.TaskState, types ...string) *api.TaskEvent {
	for i := len(ts.Events) - 1; i >= 0; i-- {
		for _, t := range types {
			if ts.Events[i].Type == t {
				return ts.Events[i]
			}
		}
	}
	return nil
}

// startFailure words why a worker did not start.
func startFailure(a *api.Allocation, ts *api.TaskState) string {
	ev := lastEvent(ts, api.TaskDriverFailure, api.TaskArtifactDownloadFailed, api.TaskSetupFailure, api.TaskFailedValidation)
	if ev == nil {
		note := "did not start"
		if a.ClientDescription != "" {
			note += ": " + a.ClientDescription
		}
		if progress := progressOf(ts); progress != "" {
			note += " (" + progress + ")"
		}
		return note
	}
	text := strings.ReplaceAll(ev.DisplayMessage, "rpc error: code = Unknown desc = ", "")
	if ev.Type == api.TaskArtifactDownloadFailed {
		text = withoutQueries(text)
	}
	remedy := "see nomad alloc status"
	switch has := func(s string) bool { return strings.Contains(strings.ToLower(text), s) }; {
	case ev.Type == api.TaskArtifactDownloadFailed && has("checksum"):
		remedy = "the artifact is another one than Checksum says: set the checksum that sha256sum prints for it"
	case ev.Type == api.TaskArtifactDownloadFailed:
		remedy = "can the nodes reach the URL of Artifact?"
	case has("failed to pull"), has("pull access denied"), has("manifest unknown"), has("no such image"):
		remedy = "does the image of nomad.Docker exist, and may the nodes pull it?"
	case has("no such file or directory"), has("executable file not found"), has("could not be found"), has("not found in $path"), has("not found under path"), has("no file exists"):
		remedy = "the program is not where nomad.Config.Program says: check its image, path or artifact"
	case has("permission denied"), has("exec format error"):
		remedy = "is the program executable, and built for the nodes' operating system and processor?"
	case has("driver") && (has("disabled") || has("not found") || has("unhealthy")):
		remedy = "enable the driver in the Nomad clients' configuration"
	}
	return fmt.Sprintf("did not start: %s (%s)", text, remedy)
}

// progressOf tells what a task that has not started is doing.
func progressOf(ts *api.TaskState) string {
	if ts == nil || len(ts.Events) == 0 {
		return ""
	}
	return ts.Events[len(ts.Events)-1].DisplayMessage
}

// lateNote is what is told of a worker that has a node and does not start in time.
func lateNote(node string, ts *api.TaskState, limit time.Duration) string {
	note := fmt.Sprintf("worker on node %q has not started within %s", node, limit)
	if progress := progressOf(ts); progress != "" {
		note += ": " + progress
	}
	return note + " (is a Nomad Variable of Config.Secrets missing or not readable by the job, an image slow to pull? Config.StartTimeout says how long it may take)"
}
