package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
)

//go:embed assets templates
var files embed.FS

// assetsVersion changes with any of the files: their addresses hold it, so that browsers may
// keep them for ever.
var assetsVersion = func() string {
	h := sha256.New()
	err := fs.WalkDir(files, "assets", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := files.ReadFile(path)
		_, _ = h.Write([]byte(path))
		_, _ = h.Write(data)
		return err
	})
	if err != nil {
		panic("dashboard: embedded files: " + err.Error()) // a fault of the build
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}()

// mediaTypes are those of the files that are served; system tables differ.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".md": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8",
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := "assets/" + r.PathValue("file")
	data, err := files.ReadFile(name)
	if err != nil {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", mediaTypes[extension(name)])
	if r.PathValue("version") == assetsVersion {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}
