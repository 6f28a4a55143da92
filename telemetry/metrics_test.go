package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/telemetry"
)

// read collects all points as lines: name, unit, attributes but those that are the same
// everywhere, and value; of a histogram its count and sum.
func read(t *testing.T, reader metric.Reader) []string {
	t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &data))
	var lines []string
	line := func(m *metricdata.Metrics, attrs map[string]string, value string) {
		require.NotEmpty(t, m.Description, m.Name)
		attrs = without(t, attrs, "messaging.system", "mn.app", "mn.kind", "messaging.destination.name")
		var more []string
		for _, k := range slices.Sorted(maps.Keys(attrs)) {
			more = append(more, k+"="+attrs[k])
		}
		lines = append(lines, fmt.Sprintf("%s %s {%s} %s", m.Name, m.Unit, strings.Join(more, " "), value))
	}
	for _, scope := range data.ScopeMetrics {
		require.Equal(t, telemetry.ScopeName, scope.Scope.Name)
		for i := range scope.Metrics {
			m := &scope.Metrics[i]
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					line(m, attributes(p.Attributes.ToSlice()), fmt.Sprint(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					line(m, attributes(p.Attributes.ToSlice()), fmt.Sprint(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					line(m, attributes(p.Attributes.ToSlice()), fmt.Sprint(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					line(m, attributes(p.Attributes.ToSlice()), fmt.Sprintf("%d × %g", p.Count, p.Sum))
				}
			default:
				t.Fatalf("%s is a %T", m.Name, d)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func TestMetricsOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := mn.NewFunction("slow", func(_ context.Context, in int) (int, error) {
			pass(2 * time.Second)
			if in < 0 {
				return 0, errors.New("negative")
			}
			return in, nil
		}, mn.MaxWorkers(1))
		r := newRig(t, []mn.Definition{slow})
		first := slow.On(r.client).Go(t.Context(), 1)
		synctest.Wait()
		_, err := slow.On(r.client).Call(t.Context(), -1)
		require.Error(t, err)
		<-first.Done()
		require.Equal(t, []string{
			"messaging.client.operation.duration s {error.type=handler messaging.operation.name=call messaging.operation.type=send} 1 × 4",
			"messaging.client.operation.duration s {messaging.operation.name=call messaging.operation.type=send} 1 × 2",
			"messaging.client.sent.messages {message} {messaging.operation.name=call messaging.operation.type=send} 2",
		}, read(t, r.clientMetrics), "a call whose handler fails was sent all right")
		require.Equal(t, []string{
			"messaging.client.consumed.messages {message} {messaging.operation.name=process messaging.operation.type=process} 2",
			"messaging.process.duration s {error.type=handler messaging.operation.name=process messaging.operation.type=process} 1 × 2",
			"messaging.process.duration s {messaging.operation.name=process messaging.operation.type=process} 1 × 2",
			"mn.queue.duration s {messaging.operation.name=process messaging.operation.type=process} 2 × 2",
		}, read(t, r.metrics))
	})
}

func TestMetricsOfJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flaky := mn.NewJob("flaky", func(ctx context.Context, _ int, _ func(int) bool) error {
			pass(time.Minute)
			if mn.Attempt(ctx) == 1 {
				return errors.New("flaky")
			}
			return nil
		}, mn.Retries(1))
		r := newRig(t, []mn.Definition{flaky})
		id, err := flaky.On(r.client).Start(t.Context(), 0, mn.WithLock("l"))
		require.NoError(t, err)
		_, err = flaky.On(r.client).Start(t.Context(), 0, mn.WithLock("l"))
		require.Error(t, err)
		_, err = flaky.On(r.client).Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []string{
			"messaging.client.operation.duration s {error.type=lock_in_use messaging.operation.name=start messaging.operation.type=send} 1 × 0",
			"messaging.client.operation.duration s {messaging.operation.name=start messaging.operation.type=send} 1 × 0",
			"messaging.client.sent.messages {message} {error.type=lock_in_use messaging.operation.name=start messaging.operation.type=send} 1",
			"messaging.client.sent.messages {message} {messaging.operation.name=start messaging.operation.type=send} 1",
		}, read(t, r.clientMetrics))
		require.Equal(t, []string{
			"messaging.client.consumed.messages {message} {messaging.operation.name=process messaging.operation.type=process} 2",
			"messaging.process.duration s {error.type=handler messaging.operation.name=process messaging.operation.type=process} 1 × 60",
			"messaging.process.duration s {messaging.operation.name=process messaging.operation.type=process} 1 × 60",
			"mn.queue.duration s {messaging.operation.name=process messaging.operation.type=process} 1 × 0",
			"mn.task.retries {attempt} {messaging.operation.name=process messaging.operation.type=process} 1",
		}, read(t, r.metrics))
	})
}

// observed are the lines of what Observe measures.
func observed(t *testing.T, reader metric.Reader) []string {
	t.Helper()
	return slices.DeleteFunc(read(t, reader), func(line string) bool {
		return strings.Contains(line, "messaging.operation.name")
	})
}

func TestObserveMeasuresTheNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		job := mn.NewJob("job", func(context.Context, int, func(int) bool) error { <-release; return nil }, mn.MaxConcurrency(2))
		r := newRig(t, []mn.Definition{job})
		stop, err := r.ofClient.Observe(r.client)
		require.NoError(t, err)
		for range 5 {
			_, err := job.On(r.client).Start(t.Context(), 0)
			require.NoError(t, err)
		}
		pass(30 * time.Second)
		require.Equal(t, []string{
			"mn.attempt.ended {attempt} {mn.outcome=failed} 0",
			"mn.attempt.ended {attempt} {mn.outcome=released} 0",
			"mn.attempt.ended {attempt} {mn.outcome=succeeded} 0",
			"mn.job.count {job} {mn.job.status=CANCELLED} 0",
			"mn.job.count {job} {mn.job.status=CANCELLING} 0",
			"mn.job.count {job} {mn.job.status=FAILED} 0",
			"mn.job.count {job} {mn.job.status=PENDING} 3",
			"mn.job.count {job} {mn.job.status=RUNNING} 2",
			"mn.job.count {job} {mn.job.status=SUCCEEDED} 0",
			"mn.queue.oldest.age s {} 30",
			"mn.queue.size {task} {mn.queue.state=delayed} 0",
			"mn.queue.size {task} {mn.queue.state=pending} 3",
			"mn.task.running {task} {} 2",
			"mn.worker.count {worker} {mn.worker.state=busy} 2",
			"mn.worker.count {worker} {mn.worker.state=idle} 0",
			"mn.worker.count {worker} {mn.worker.state=starting} 0",
			"mn.worker.limit {worker} {} 2",
		}, observed(t, r.clientMetrics), "the client executes nothing and knows all the same")
		close(release)
		pass(30 * time.Second)
		lines := observed(t, r.clientMetrics)
		require.Contains(t, lines, "mn.attempt.ended {attempt} {mn.outcome=succeeded} 5")
		require.Contains(t, lines, "mn.job.count {job} {mn.job.status=RUNNING} 0")
		require.Contains(t, lines, "mn.job.count {job} {mn.job.status=SUCCEEDED} 5")
		require.Contains(t, lines, "mn.queue.oldest.age s {} 0")
		require.NoError(t, stop())
		require.Empty(t, observed(t, r.clientMetrics))
	})
}

// silent is a backend that may stop to answer.
type silent struct {
	backend.Backend
	now *atomic.Bool
}

func (b silent) Namespace(name string) backend.Store {
	return &silentStore{b.Backend.Namespace(name), b.now}
}

type silentStore struct {
	backend.Store
	now *atomic.Bool
}

func (s *silentStore) Pools(ctx context.Context) ([]backend.PoolInfo, error) {
	if s.now.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Pools(ctx)
}

func TestABackendThatDoesNotAnswerHoldsUpOtherMetricsForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		tel, err := telemetry.New(telemetry.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
		require.NoError(t, err)
		f := mn.NewFunction("f", func(_ context.Context, in int) (int, error) { return in, nil })
		var now atomic.Bool
		app := mntest.NewWith(t, mn.Config{
			Name: "mute", Backend: silent{memory.New(), &now}, Definitions: []mn.Definition{f}, Telemetry: tel,
		})
		stop, err := tel.Observe(app)
		require.NoError(t, err)
		defer func() { require.NoError(t, stop()) }()
		_, err = f.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
		now.Store(true)
		began := time.Now()
		var data metricdata.ResourceMetrics
		err = reader.Collect(context.Background(), &data)
		require.ErrorContains(t, err, `app "mute"`)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Len(t, data.ScopeMetrics, 1)
		require.Len(t, data.ScopeMetrics[0].Metrics, 5, "of what this process does")
	})
}
