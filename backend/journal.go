package backend

// Stream is one of the two journals that a job has beside its yields.
type Stream uint8

// The streams.
const (
	// LogStream is what the job's handlers, and those of the calls made for it, log and print.
	LogStream Stream = iota + 1
	// CallStream tells of the calls made for the job: when, where and how each was executed.
	CallStream
)

// Limit bounds one stream of one job: when it grows beyond either bound its oldest entries go.
type Limit struct {
	Entries int
	Bytes   int // of all entries' Data
}

// Addition adds entries to one stream of one job.
type Addition struct {
	// Job is the job's ID. If it is "", the job is meant that Slot executes now, or for which it
	// executes a call.
	Job    string
	Slot   string
	Stream Stream
	Data   [][]byte // encoded by who writes them; each becomes an entry
	Limit  Limit
}

// Entry is one entry of a stream.
type Entry struct {
	// Number counts the entries of the stream from 1. Where numbers are missing, entries were
	// dropped.
	Number uint64
	Data   []byte
}

// JournalRequest selects entries of one stream of one job.
type JournalRequest struct {
	Job    string
	Stream Stream
	After  uint64 // only entries above it
	Last   int    // if above 0: only the newest so many of those
	Limit  int    // at most so many, the oldest of what is chosen; 0 means 100
}
