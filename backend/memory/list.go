package memory

// The lists a task can be in; one of each kind at a time.
const (
	linkQueue   = iota // its pool's pending tasks
	linkSession        // its session's unfinished calls
	linkLeased         // the store's leased tasks
	linkKinds
)

type links struct {
	prev, next *task
	in         bool
}

// list is a doubly linked list threaded through the tasks themselves, so that
// taking a task out of the middle of a long queue costs no search.
type list struct {
	link       int
	head, tail *task
	len        int
}

func (l *list) push(t *task) {
	n := &t.links[l.link]
	n.prev, n.next, n.in = l.tail, nil, true
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.links[l.link].next = t
	}
	l.tail = t
	l.len++
}

// remove takes t out; a task that is in no list of this kind is left alone.
func (l *list) remove(t *task) {
	n := &t.links[l.link]
	if !n.in {
		return
	}
	if n.prev == nil {
		l.head = n.next
	} else {
		n.prev.links[l.link].next = n.next
	}
	if n.next == nil {
		l.tail = n.prev
	} else {
		n.next.links[l.link].prev = n.prev
	}
	*n = links{}
	l.len--
}

func (l *list) pop() *task {
	t := l.head
	if t != nil {
		l.remove(t)
	}
	return t
}
