package guide

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/multinode/mn"
)

// Page is a page to be rendered.
type Page struct {
	Number int
	Text   string
}

// Render makes an image of a page. Each of its workers gets two cores.
var Render = mn.NewFunction("render", render,
	mn.CPU(2), mn.Memory(1*mn.GiB), mn.MaxWorkers(8), mn.Retries(2), mn.Timeout(5*time.Minute))

func render(ctx context.Context, p Page) ([]byte, error) {
	if p.Text == "" {
		return nil, mn.Permanent(errors.New("the page is empty")) // no attempt will mend that
	}
	return draw(ctx, p)
}

func draw(_ context.Context, p Page) ([]byte, error) { return []byte(p.Text), nil }

func callOnce(ctx context.Context) ([]byte, error) {
	image, err := Render.Call(ctx, Page{Number: 1, Text: "Chapter 1"})
	var failed *mn.RunError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("rendering failed in attempt %d: %s", failed.Attempt, failed.Message)
	}
	return image, err
}

func callTwo(ctx context.Context) (size int, err error) {
	cover := Render.Go(ctx, Page{Number: 0, Text: "Cover"})
	index := Render.Go(ctx, Page{Number: 9, Text: "Index"})
	for _, future := range []*mn.Future[[]byte]{cover, index} {
		image, err := future.Wait(ctx)
		if err != nil {
			return 0, err
		}
		size += len(image)
	}
	return size, nil
}

func renderAll(ctx context.Context, pages []Page) (images [][]byte, skipped int, err error) {
	for image, err := range Render.Map(ctx, slices.Values(pages)) {
		var failed *mn.RunError
		switch {
		case errors.As(err, &failed): // of this page: the next one follows
			skipped++
		case err != nil: // of the Map: it ends
			return nil, skipped, err
		default:
			images = append(images, image)
		}
	}
	return images, skipped, nil
}

// Folder is a tree of things with sizes.
type Folder struct {
	Size    int
	Folders []Folder
}

// Measure adds up a tree: a function that calls itself.
var Measure = mn.NewFunction[Folder, int]("measure", nil, mn.MaxWorkers(2))

func init() { Measure.Handle(measure) }

func measure(ctx context.Context, f Folder) (int, error) {
	total := f.Size
	for size, err := range Measure.Map(ctx, slices.Values(f.Folders), mn.Unordered()) {
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}
