package mn

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// Progress says how far a run is. A job yields it, or holds it in a field of what it yields;
// dashboard and command line then draw it as a bar.
//
//	p := mn.NewProgress(int64(len(rows)), "rows")
//	for _, r := range rows {
//		…
//		if !yield(p.Add(1)) {
//			return nil
//		}
//	}
type Progress struct {
	Done    int64  `json:"done"`
	Total   int64  `json:"total"` // 0: not known
	Unit    string `json:"unit,omitempty"`
	Message string `json:"message,omitempty"` // what is being done now
	// Rate is in units per second.
	Rate float64 `json:"rate,omitempty"`
	// Remaining is how long the rest will take at this rate, 0 if that is not known.
	Remaining time.Duration `json:"remaining,omitempty"`
}

// Fraction is how much is done, from 0 to 1; 0 if the total is not known.
func (p Progress) Fraction() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(1, max(0, float64(p.Done)/float64(p.Total)))
}

// ProgressMeter measures progress. It is not safe for concurrent use.
type ProgressMeter struct {
	now  Progress
	last time.Time // when the rate was measured last
	at   int64     // and what was done then
}

// NewProgress returns a meter that begins now. A total of 0 is not known yet. A resumed job
// begins with what is done already by calling Set.
func NewProgress(total int64, unit string) *ProgressMeter {
	return &ProgressMeter{now: Progress{Total: max(0, total), Unit: unit}, last: time.Now()}
}

// Add counts n more units as done.
func (m *ProgressMeter) Add(n int64) Progress {
	m.now.Done += n
	return m.measure()
}

// Set says how much is done without counting it for the rate, as when a job resumes.
func (m *ProgressMeter) Set(done int64) Progress {
	m.at += done - m.now.Done
	m.now.Done = done
	return m.now
}

// SetTotal changes the total, which may become known late.
func (m *ProgressMeter) SetTotal(total int64) Progress {
	m.now.Total = max(0, total)
	return m.measure()
}

// Say sets the message.
func (m *ProgressMeter) Say(message string) Progress {
	m.now.Message = message
	return m.now
}

// Now returns the progress so far.
func (m *ProgressMeter) Now() Progress { return m.now }

// The rate is a moving mean over about rateMemory, measured at most every rateStep.
const (
	rateStep   = 100 * time.Millisecond
	rateMemory = 10 * time.Second
)

func (m *ProgressMeter) measure() Progress {
	if now := time.Now(); now.Sub(m.last) >= rateStep {
		passed := now.Sub(m.last)
		current := float64(m.now.Done-m.at) / passed.Seconds()
		if m.now.Rate == 0 {
			m.now.Rate = current
		} else {
			weight := 1 - math.Exp(-float64(passed)/float64(rateMemory))
			m.now.Rate += weight * (current - m.now.Rate)
		}
		m.last, m.at = now, m.now.Done
	}
	m.now.Remaining = 0
	if left := m.now.Total - m.now.Done; m.now.Total > 0 && left > 0 && m.now.Rate > 0 {
		m.now.Remaining = time.Duration(min(float64(left)/m.now.Rate*float64(time.Second), float64(math.MaxInt64/2)))
	}
	return m.now
}

// FindProgress finds a [Progress] in a JSON value: the value itself or one of an object's
// fields, recognised by whole numbers "done" and "total". Of several fields the first counts.
func FindProgress(value json.RawMessage) (Progress, bool) {
	if p, ok := progressOf(value); ok {
		return p, true
	}
	d := json.NewDecoder(bytes.NewReader(value))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return Progress{}, false
	}
	for d.More() {
		var field json.RawMessage
		if _, err := d.Token(); err != nil || d.Decode(&field) != nil {
			break
		}
		if p, ok := progressOf(field); ok {
			return p, true
		}
	}
	return Progress{}, false
}

func progressOf(value json.RawMessage) (Progress, bool) {
	var marks struct{ Done, Total *int64 }
	var p Progress
	if !bytes.HasPrefix(bytes.TrimSpace(value), []byte("{")) || json.Unmarshal(value, &marks) != nil ||
		marks.Done == nil || marks.Total == nil || json.Unmarshal(value, &p) != nil || p.Done < 0 || p.Total < 0 {
		return Progress{}, false
	}
	return p, true
}

func containsFold(s, part string) bool { return strings.Contains(s, strings.ToLower(part)) }
