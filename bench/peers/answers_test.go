package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnswersReachTheirTicketOnce(t *testing.T) {
	m := newMailbox()
	out, err := m.await(t.Context(), 7, func(w ticket) error {
		m.deliver(ticket{w.Ticket + 1, 9}) // of nobody
		m.deliver(w)
		m.deliver(ticket{w.Ticket, 8}) // sent again: there is no room for it
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 7, out)
	assert.Empty(t, m.waiting)
}

func TestABatchNeedsEachAnswerOnce(t *testing.T) {
	m := newMailbox()
	require.NoError(t, m.awaitAll(t.Context(), 3, func(ws []ticket) error {
		return m.deliverAll([]byte(mustJSON(t, []ticket{ws[2], ws[0], ws[1]})))
	}))
	assert.ErrorIs(t, m.awaitAll(t.Context(), 3, func(ws []ticket) error {
		return m.deliverAll([]byte(mustJSON(t, []ticket{ws[0], ws[1], {ws[2].Ticket, 0}})))
	}), errWrongAnswer)
	broken := errors.New("broken")
	assert.ErrorIs(t, m.awaitAll(t.Context(), 3, func([]ticket) error { return broken }), broken)
	assert.Error(t, m.deliverAll([]byte("{")))
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	m := newMailbox()
	ctx, cancel := context.WithCancel(t.Context())
	submitted := func() { cancel() }
	_, err := m.await(ctx, 1, func(ticket) error { submitted(); return nil })
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, m.awaitAll(ctx, 1, func([]ticket) error { return nil }), context.Canceled)
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestAnswersThatComeUpTogetherAreSentTogether(t *testing.T) {
	entered, proceed := make(chan struct{}), make(chan struct{})
	var messages []string
	o := newOutbox(func(_ context.Context, message []byte) error {
		messages = append(messages, string(message))
		if len(messages) == 1 {
			close(entered)
			<-proceed
		}
		return nil
	})
	results := make(chan error)
	put := func(n int) { results <- o.put(context.Background(), ticket{uint64(n), n}) }
	go put(1)
	<-entered // the first is being sent: the others gather
	go put(2)
	go put(3)
	require.Eventually(t, func() bool { return len(o.in) == 2 }, waitMost, waitStep)
	close(proceed)
	for range 3 {
		require.NoError(t, <-results)
	}
	o.close()
	require.Len(t, messages, 2)
	assert.Equal(t, `[{"Ticket":1,"N":1}]`, messages[0])
	assert.Len(t, messages[1], len(messages[0])*2-1)
}

func TestWhoeverSendsLearnsThatItFailed(t *testing.T) {
	broken := errors.New("broken")
	o := newOutbox(func(context.Context, []byte) error { return broken })
	assert.ErrorIs(t, o.put(t.Context(), ticket{1, 1}), broken)
	o.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, o.put(ctx, ticket{1, 1}), context.Canceled)
}
