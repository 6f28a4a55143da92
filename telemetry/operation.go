package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// system is messaging.system.
const system = "mn"

// The names of operations, messaging.operation.name.
const (
	opStart   = "start"   // of a job
	opCall    = "call"    // of a function
	opProcess = "process" // of either, by a handler
)

// The values of messaging.operation.type.
const (
	typeSend    = "send"
	typeProcess = "process"
)

// Attributes for which the semantic conventions have no name. Those of the same name in a
// handler's log have the same values.
const (
	appKey       = attribute.Key("mn.app")        // the app's name
	kindKey      = attribute.Key("mn.kind")       // "job" or "function"
	attemptKey   = attribute.Key("mn.attempt")    // counted from 1
	workerKey    = attribute.Key("mn.worker")     // the worker's ID
	parentKey    = attribute.Key("mn.parent")     // the run or call whose handler made this one
	queueWaitKey = attribute.Key("mn.queue.wait") // seconds, as the metric mn.queue.duration
)

// operationKey tells operations apart. All parts are of few values: they are the
// attributes of metrics.
type operationKey struct {
	name      string
	app       string
	kind      string
	target    string // the definition
	errorType string // or ""
}

// operation is what all spans and measurements of one kind have in common. It is made
// once, because to sort and hash attributes costs more than all the rest.
type operation struct {
	span  string // its name
	start []trace.SpanStartOption
	add   []metric.AddOption
	rec   []metric.RecordOption
}

// operations are all that were seen so far. Reading takes no lock.
type operations struct {
	known atomic.Pointer[map[operationKey]*operation]
	mu    sync.Mutex // one writer at a time
}

func (o *operations) get(k operationKey) *operation {
	if known := o.known.Load(); known != nil {
		if op := (*known)[k]; op != nil {
			return op
		}
	}
	return o.make(k)
}

func (o *operations) make(k operationKey) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	longer := make(map[operationKey]*operation)
	if known := o.known.Load(); known != nil {
		maps.Copy(longer, *known)
	}
	op := longer[k]
	if op == nil {
		op = newOperation(k)
		longer[k] = op
	}
	o.known.Store(&longer)
	return op
}

func newOperation(k operationKey) *operation {
	kind, operationType := trace.SpanKindProducer, typeSend
	if k.name == opProcess {
		kind, operationType = trace.SpanKindConsumer, typeProcess
	}
	attrs := []attribute.KeyValue{
		semconv.MessagingSystemKey.String(system),
		semconv.MessagingOperationName(k.name),
		semconv.MessagingOperationTypeKey.String(operationType),
		semconv.MessagingDestinationName(k.target),
		appKey.String(k.app),
		kindKey.String(k.kind),
	}
	if k.errorType != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(k.errorType))
	}
	set := metric.WithAttributeSet(attribute.NewSet(attrs...))
	return &operation{
		span:  k.name + " " + k.target,
		start: []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(attrs...)},
		add:   []metric.AddOption{set},
		rec:   []metric.RecordOption{set},
	}
}
