package doctor

import (
	"io"
	"log/slog"
)

// quiet drops what the backend warns of: the checks say it.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
