package redis

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// line is a combiner of texts whose steps wait until they are let through.
type line struct {
	combiner[[]string]
	steps [][]string    // what each step got
	pass  chan struct{} // lets one step through
}

func newLine() *line {
	l := &line{pass: make(chan struct{})}
	l.own = func(x *[]string) { *x = slices.Clone(*x) }
	l.step = func(xs []*[]string) {
		var all []string
		for _, x := range xs {
			all = append(all, (*x)[0])
			*x = []string{"done " + (*x)[0]}
		}
		<-l.pass
		l.steps = append(l.steps, all)
	}
	return l
}

// bring has a text done, of that weight, and returns where its answer comes.
func (l *line) bring(ctx context.Context, text string, weight int) chan any {
	answer := make(chan any, 1)
	go func() {
		x := []string{text}
		if err := l.do(ctx, &x, weight); err != nil {
			answer <- err
			return
		}
		answer <- x[0]
	}()
	synctest.Wait()
	return answer
}

func TestWhatComesTogetherIsDoneTogetherAndEachGetsItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		var answers []chan any
		for _, text := range []string{"a", "b", "c", "d"} {
			answers = append(answers, l.bring(t.Context(), text, 1))
		}
		l.pass <- struct{}{}
		l.pass <- struct{}{}
		for i, text := range []string{"a", "b", "c", "d"} {
			require.Equal(t, "done "+text, <-answers[i])
		}
		require.Equal(t, [][]string{{"a"}, {"b", "c", "d"}}, l.steps, "what comes alone goes at once")
		e := l.bring(t.Context(), "e", 1)
		l.pass <- struct{}{}
		require.Equal(t, "done e", <-e, "nothing is under way any more")
	})
}

func TestAStepTakesNoMoreThanItsWeightAndAtLeastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		var answers []chan any
		for i, text := range []string{"a", "b", "c", "d", "e"} {
			answers = append(answers, l.bring(t.Context(), text, []int{1, maxStep - 1, 1, maxStep + 9, 1}[i]))
		}
		for range 4 {
			l.pass <- struct{}{}
		}
		for _, answer := range answers {
			require.IsType(t, "", <-answer)
		}
		require.Equal(t, [][]string{{"a"}, {"b", "c"}, {"d"}, {"e"}}, l.steps)
	})
}

func TestWhatIsGivenUpBeforeItsTurnIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		a := l.bring(t.Context(), "a", 1)
		ctx, cancel := context.WithCancel(t.Context())
		brought := []string{"b"}
		gone := make(chan error, 1)
		go func() { gone <- l.do(ctx, &brought, 1) }()
		synctest.Wait()
		c := l.bring(t.Context(), "c", 1)
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		brought[0] = "used for something else"
		l.pass <- struct{}{}
		l.pass <- struct{}{}
		require.Equal(t, "done a", <-a)
		require.Equal(t, "done c", <-c, "the others do not suffer")
		require.Equal(t, [][]string{{"a"}, {"c"}}, l.steps)
	})
}

func TestWhatIsGivenUpUnderWayKeepsWhatItBrought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.step = func(xs []*[]string) {
			<-l.pass
			l.steps = append(l.steps, slices.Clone(*xs[0]))
		}
		ctx, cancel := context.WithCancel(t.Context())
		brought := []string{"a"}
		gone := make(chan error, 1)
		go func() { gone <- l.do(ctx, &brought, 1) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled, "though the step is under way")
		brought[0] = "used for something else"
		l.pass <- struct{}{}
		synctest.Wait()
		require.Equal(t, [][]string{{"a"}}, l.steps)
	})
}

func TestLargeValuesWeighMore(t *testing.T) {
	require.Equal(t, 3, weight(3, 1000))
	require.Equal(t, 1+64, weight(1, 1<<20), "one of the default limit fills a step")
}
