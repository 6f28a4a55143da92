package mn

import (
	"fmt"
	"time"
)

// Bytes is an amount of memory.
type Bytes int64

// Units of memory.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// String writes the amount in the largest unit that divides it.
func (b Bytes) String() string {
	switch {
	case b != 0 && b%GiB == 0:
		return fmt.Sprintf("%d GiB", b/GiB)
	case b != 0 && b%MiB == 0:
		return fmt.Sprintf("%d MiB", b/MiB)
	case b != 0 && b%KiB == 0:
		return fmt.Sprintf("%d KiB", b/KiB)
	}
	return fmt.Sprintf("%d B", int64(b))
}

// Defaults of the settings. Those that Multinode has are Multinode's own.
const (
	DefaultCPU            = 0.1
	DefaultMemory         = 256 * MiB
	DefaultJobTimeout     = 60 * time.Minute
	DefaultTimeout        = 15 * time.Minute // of a function
	DefaultGrace          = 5 * time.Minute
	DefaultMaxConcurrency = 10
	DefaultMaxWorkers     = 10
	DefaultCooldown       = 60 * time.Second
	DefaultPayloadLimit   = 1 * MiB
	// CrashBudget is how often a call whose worker was lost is run again.
	CrashBudget = 3
)

// JobOption is a setting of a job. Every [Option] is one.
type JobOption interface{ setJob(*settings) }

// FunctionOption is a setting of a function. Every [Option] is one.
type FunctionOption interface{ setFunction(*settings) }

// Option is a setting that jobs and functions have in common.
type Option interface {
	JobOption
	FunctionOption
}

type (
	option         func(*settings)
	jobOption      func(*settings)
	functionOption func(*settings)
)

func (o option) setJob(s *settings)              { o(s) }
func (o option) setFunction(s *settings)         { o(s) }
func (o jobOption) setJob(s *settings)           { o(s) }
func (o functionOption) setFunction(s *settings) { o(s) }

// settings are a definition's settings. Values are checked in New.
type settings struct {
	cpu          float64
	memory       Bytes
	timeout      time.Duration
	grace        time.Duration
	retries      int
	backoffFirst time.Duration
	backoffMax   time.Duration
	maxWorkers   int // a job's MaxConcurrency
	spare        int
	cooldown     time.Duration
	keepYields   int
	syncYields   bool
	maxPending   int
}

func newSettings() settings {
	return settings{
		cpu: DefaultCPU, memory: DefaultMemory, grace: DefaultGrace,
		backoffFirst: time.Second, backoffMax: 5 * time.Minute,
	}
}

func newJobSettings(opts []JobOption) settings {
	s := newSettings()
	s.timeout, s.maxWorkers = DefaultJobTimeout, DefaultMaxConcurrency
	for _, o := range opts {
		o.setJob(&s)
	}
	return s
}

func newFunctionSettings(opts []FunctionOption) settings {
	s := newSettings()
	s.timeout, s.maxWorkers, s.cooldown = DefaultTimeout, DefaultMaxWorkers, DefaultCooldown
	for _, o := range opts {
		o.setFunction(&s)
	}
	return s
}

// CPU is how many cores a worker gets. Default 0.1.
func CPU(cores float64) Option { return option(func(s *settings) { s.cpu = cores }) }

// Memory is how much memory a worker gets. Default 256 MiB.
func Memory(b Bytes) Option { return option(func(s *settings) { s.memory = b }) }

// Timeout is how long one attempt may run. Then its context ends with ErrTimeout, it
// has the grace of CancellationGrace to return, and it ends FAILED without a retry.
// Waiting for a worker does not count. Default 60 minutes for jobs, 15 for functions.
func Timeout(d time.Duration) Option { return option(func(s *settings) { s.timeout = d }) }

// CancellationGrace is how long a handler that was told to stop may take to return.
// Then it is ended by force. Default 5 minutes.
func CancellationGrace(d time.Duration) Option { return option(func(s *settings) { s.grace = d }) }

// Retries is how many more attempts a failed task gets. The waits between them
// double, see Backoff. For a job a lost worker counts as a failed attempt; a function
// has a budget of CrashBudget for those apart from its Retries. After a lost worker the
// next attempt comes at once, and after further ones 1 s later, doubling to a minute.
// Default 0.
func Retries(n int) Option { return option(func(s *settings) { s.retries = n }) }

// Backoff is the wait before the second attempt, and the longest before any. Half of
// each wait is random. Default 1 s and 5 minutes.
func Backoff(first, longest time.Duration) Option {
	return option(func(s *settings) { s.backoffFirst, s.backoffMax = first, longest })
}

// MaxPending is how many tasks may wait for a worker; the next gets ErrBackpressure.
// Default 0: no limit.
func MaxPending(n int) Option { return option(func(s *settings) { s.maxPending = n }) }

// MaxConcurrency is how many runs of a job execute at a time; more stay PENDING.
// Default 10.
func MaxConcurrency(n int) JobOption { return jobOption(func(s *settings) { s.maxWorkers = n }) }

// KeepYields keeps the last n yields of each run readable, for [Job.Watch] with
// [FromYield]. Default 0: the newest only.
func KeepYields(n int) JobOption { return jobOption(func(s *settings) { s.keepYields = n }) }

// SyncYields makes each yield return only when its value is stored, for handlers
// that act on that. Without it a yield returns at once, and a newer value may take
// the place of one that was not stored yet.
func SyncYields() JobOption { return jobOption(func(s *settings) { s.syncYields = true }) }

// MaxWorkers is how many workers a function has at the most, each executing one call
// at a time. Default 10. While a handler waits for a call its worker may execute nested
// ones; a handler that resumes meanwhile works beside them for a moment.
func MaxWorkers(n int) FunctionOption {
	return functionOption(func(s *settings) { s.maxWorkers = n })
}

// SpareWorkers is how many idle workers are kept ready beyond those in use, for as long as an app
// runs that launches them. Default 0: scale to zero.
func SpareWorkers(n int) FunctionOption { return functionOption(func(s *settings) { s.spare = n }) }

// Cooldown is how long an idle worker stays before it leaves. Default 60 s.
func Cooldown(d time.Duration) FunctionOption {
	return functionOption(func(s *settings) { s.cooldown = d })
}

// Bounds of the settings: generous for anything real, there to catch a slip of
// units.
const (
	maxCPU      = 10_000
	maxMemory   = 1 << 20 * GiB
	maxDuration = 365 * 24 * time.Hour
	maxCount    = 1_000_000
)

func (s *settings) check(f *faults, name string) {
	if !(s.cpu > 0 && s.cpu <= maxCPU) { // written so that NaN is out as well
		f.add("%s: CPU(%v) must be above 0 and at most %d cores", name, s.cpu, maxCPU)
	}
	if s.memory < MiB || s.memory > maxMemory {
		f.add("%s: Memory(%s) must be from 1 MiB to %s; multiply by mn.MiB or mn.GiB", name, s.memory, maxMemory)
	}
	within := func(option string, d, low time.Duration) {
		if d < low || d > maxDuration {
			f.add("%s: %s(%s) must be from %s to %s", name, option, d, low, maxDuration)
		}
	}
	within("Timeout", s.timeout, time.Millisecond)
	within("CancellationGrace", s.grace, 0)
	within("Cooldown", s.cooldown, 0)
	within("Backoff", s.backoffFirst, 0)
	within("Backoff", s.backoffMax, s.backoffFirst)
	count := func(option string, n, low int) {
		if n < low || n > maxCount {
			f.add("%s: %s(%d) must be from %d to %d", name, option, n, low, maxCount)
		}
	}
	count("MaxConcurrency or MaxWorkers", s.maxWorkers, 1)
	count("Retries", s.retries, 0)
	count("SpareWorkers", s.spare, 0)
	count("KeepYields", s.keepYields, 0)
	count("MaxPending", s.maxPending, 0)
	if s.spare > s.maxWorkers {
		f.add("%s: SpareWorkers(%d) exceeds MaxWorkers(%d)", name, s.spare, s.maxWorkers)
	}
}
