package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/cli"
)

func TestBulkChoosesByFilter(t *testing.T) {
	r := newRig(t)
	var good, bad []string
	for range 3 {
		good, bad = append(good, r.start("parts", "0")), append(bad, r.start("break", `"x"`))
	}
	for i := range good {
		r.until(good[i], mn.Succeeded)
		r.until(bad[i], mn.Failed)
	}
	held := r.start("hold", `"x"`)
	r.until(held, mn.Running)

	dry := r.lines("rm", "--status", "failed", "--dry-run")
	require.Len(t, dry, 3)
	require.Equal(t, bad[2], dry[0]["id"])
	require.Len(t, r.lines("ps"), 7, "a dry run does nothing")
	require.Empty(t, r.lines("rm", "--all", "--older-than", "1h", "--dry-run"))
	a := r.run("rm", "--status", "failed")
	require.Equal(t, cli.ExitUsage, a.code, "nobody can be asked")
	require.Contains(t, a.err, "add --yes")

	again := r.lines("retry", "-d", "break", "-y", "-n", "1")
	require.Len(t, again, 1)
	require.Equal(t, bad[2], again[0]["id"])
	r.until(again[0]["new"].(string), mn.Failed)

	a = r.run("rm", "-d", "break", "-s", "failed", "--yes")
	require.Zero(t, a.code)
	require.Equal(t, "removed 4 runs\n", a.err)
	require.Empty(t, a.out)
	require.Len(t, r.lines("cancel", "--all", "--yes"), 1)
	r.until(held, mn.Cancelled)
	require.Contains(t, r.ok("rm", good[0], good[1][20:]), good[0]+"  parts  SUCCEEDED  removed\n")
	require.Len(t, r.lines("ps"), 2)
}

func TestBulkSaysWhatIsWrong(t *testing.T) {
	r := newRig(t)
	held := r.start("hold", `"x"`)
	r.until(held, mn.Running)
	for _, bad := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"rm"}, cli.ExitUsage, "choose them by a filter"},
		{[]string{"rm", held, "--all"}, cli.ExitUsage, "not both"},
		{[]string{"cancel", "--status", "bad", "-y"}, cli.ExitUsage, "is no status: use pending"},
		{[]string{"cancel", "--older-than", "soon"}, cli.ExitUsage, "use an age like"},
		{[]string{"cancel", "--limit", "-1", "--all"}, cli.ExitUsage, "must not be negative"},
		{[]string{"cancel", "01941111-0000-7000-8000-000000000000"}, cli.ExitNotFound, "does not exist"},
		{[]string{"retry", held}, cli.ExitRefused, "has not ended"},
		{[]string{"retry", "--status", "running", "--yes"}, cli.ExitRefused, "has not ended"},
	} {
		a := r.run(bad.args...)
		require.Equal(t, bad.code, a.code, "%v: %s", bad.args, a.err)
		require.Contains(t, a.err, bad.says)
	}
	require.Contains(t, r.ok("rm", held), "cancelled, will be removed")
	require.Eventually(t, func() bool { return len(r.lines("ps")) == 0 }, bound, tick)
}
