package guide

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/multinode/mn"
)

// Source is what an import is asked to read.
type Source struct {
	File string `json:"file"`
	Rows int64  `json:"rows"`
}

// Imported is what the job yields: how far it is, and what it left out.
type Imported struct {
	mn.Progress
	Bad []int64 `json:"bad,omitempty"`
}

// Import stores the rows of a file.
var Import = mn.NewJob("import", importRows,
	mn.Retries(3), mn.Timeout(2*time.Hour), mn.MaxConcurrency(4), mn.KeepYields(100))

func importRows(ctx context.Context, in Source, yield func(Imported) bool) error {
	at, _ := mn.LastYield[Imported](ctx) // zero in a first attempt
	meter := mn.NewProgress(in.Rows, "rows")
	meter.Set(at.Done)
	for n := at.Done; n < in.Rows; n++ {
		if err := storeRow(ctx, in.File, n); err != nil {
			mn.Logger(ctx).Warn("row left out", "row", n, "error", err)
			at.Bad = append(at.Bad, n)
		}
		at.Progress = meter.Add(1)
		if !yield(at) {
			return nil
		}
	}
	return nil
}

// errBadRow is what is wrong with every seventh row.
var errBadRow = errors.New("not a row")

func storeRow(_ context.Context, _ string, n int64) error {
	if n%7 == 6 {
		return errBadRow
	}
	return nil
}

// startAndWait is a client of the job.
func startAndWait(ctx context.Context) error {
	id, err := Import.Start(ctx, Source{File: "users.csv", Rows: 20})
	if err != nil {
		return err
	}
	last, err := Import.Wait(ctx, id)
	if err != nil {
		return err
	}
	fmt.Println(last.Done, "rows,", len(last.Bad), "left out")
	return nil
}

func show(ctx context.Context, w io.Writer, id mn.JobID) error {
	for info, err := range Import.Watch(ctx, id) {
		if err != nil {
			return err
		}
		fmt.Fprintln(w, info.Status, info.Result.Done, info.Reason)
	}
	return nil
}

func showEach(ctx context.Context, w io.Writer, id mn.JobID) error {
	for info, err := range Import.Watch(ctx, id, mn.FromYield(1)) {
		if err != nil {
			return err
		}
		fmt.Fprintln(w, info.Yields, info.Result.Done)
	}
	return nil
}

func failed(ctx context.Context) ([]mn.JobID, error) {
	var ids []mn.JobID
	for info, err := range Import.List(ctx, mn.WithStatus(mn.Failed), mn.Limit(20)) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, info.ID)
	}
	return ids, nil
}

func tail(ctx context.Context, app *mn.App, w io.Writer, id mn.JobID) error {
	for line, err := range app.Logs(ctx, id, mn.LogLast(100)) {
		if err != nil {
			return err
		}
		fmt.Fprintln(w, line.Time.Format(time.TimeOnly), line.Level, line.Definition, line.Message, string(line.Attrs))
	}
	return nil
}

func longestRuns(ctx context.Context, app *mn.App, w io.Writer) error {
	page, err := app.Inspect().Runs(ctx, mn.RunFilter{
		Definition: "import", Statuses: []mn.Status{mn.Running}, To: time.Now().Add(-time.Hour),
	})
	if err != nil {
		return err
	}
	for _, run := range page.Runs {
		done := 0.0
		if run.Progress != nil {
			done = run.Progress.Fraction()
		}
		fmt.Fprintf(w, "%s %3.0f%% on %s\n", run.ID, 100*done, run.Worker)
	}
	return nil
}

func removeOld(ctx context.Context, app *mn.App, dryRun bool) (int, error) {
	month := time.Now().AddDate(0, -1, 0)
	removed := 0
	for step, err := range app.Inspect().Bulk(ctx, mn.BulkRemove, mn.RunFilter{To: month}, dryRun) {
		if err != nil {
			return removed, err
		}
		if step.Err == nil {
			removed++
		}
	}
	return removed, nil
}
