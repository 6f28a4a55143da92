package guide

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository's, seen from here.
const root = "../.."

// pagesInOrder reads docs/README.md, the index, for the pages that are to be read in order.
func pagesInOrder(t *testing.T) (pages []string) {
	index := read(t, "docs/README.md")
	inOrder, _, found := strings.Cut(index, "\n## Beside them\n")
	require.True(t, found, "docs/README.md has no part %q", "Beside them")
	for _, m := range regexp.MustCompile(`(?m)^\d+\. \[[^]]+\]\(([a-z-]+\.md)\)`).FindAllStringSubmatch(inOrder, -1) {
		pages = append(pages, m[1])
	}
	require.Greater(t, len(pages), 10)
	return pages
}

// comment is what a page does not show.
var comment = regexp.MustCompile(`(?s)<!--.*?-->`)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return comment.ReplaceAllString(string(text), "")
}

// allPages are the pages of docs/ and the README, by their paths.
func allPages(t *testing.T) []string {
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	require.NoError(t, err)
	for i, p := range pages {
		pages[i], err = filepath.Rel(root, p)
		require.NoError(t, err)
	}
	return append(pages, "README.md")
}

var goBlock = regexp.MustCompile("(?s)\n[ \t]*```go\n(.*?)\n[ \t]*```")

// A block may be cut from any place of a file of the examples, whose indentation it leaves out.
func TestGoCodeOfThePagesIsCutFromTheExamples(t *testing.T) {
	var sources []string
	err := filepath.WalkDir(filepath.Join(root, "examples"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			text, err := os.ReadFile(path)
			sources = append(sources, "\n"+dedent(string(text))+"\n")
			return err
		}
		return err
	})
	require.NoError(t, err)
	blocks := 0
	for _, page := range allPages(t) {
		for _, b := range goBlock.FindAllStringSubmatch(read(t, page), -1) {
			blocks++
			block := dedent(b[1])
			require.True(t, slices.ContainsFunc(sources, func(s string) bool { return strings.Contains(s, "\n"+block+"\n") }),
				"a block of %s is in no file under examples/:\n%s", page, b[1])
		}
	}
	require.Greater(t, blocks, 30)
}

// dedent takes the indentation from all lines: gofmt makes it follow from the rest.
func dedent(code string) string {
	lines := strings.Split("\n"+code, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t ")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func TestPagesLinkTheirNeighbours(t *testing.T) {
	pages := pagesInOrder(t)
	for i, page := range pages {
		text := read(t, "docs/"+page)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		last := lines[len(lines)-1]
		if i > 0 {
			require.Contains(t, last, "]("+pages[i-1]+")", "the last line of docs/%s links the page before", page)
		}
		if i < len(pages)-1 {
			require.Contains(t, last, "]("+pages[i+1]+")", "the last line of docs/%s links the next page", page)
		}
		require.Contains(t, last, "](README.md)", "the last line of docs/%s links the index", page)
		require.Regexp(t, `!\[[^]]+\]\(pictures/`, text, "docs/%s has no picture", page)
	}
}

var fence = regexp.MustCompile("(?s)\n[ \t]*```.*?\n[ \t]*```")

// prose is a page without its code.
func prose(t *testing.T, path string) string { return fence.ReplaceAllString(read(t, path), "") }

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksOfThePagesLeadSomewhere(t *testing.T) {
	linked := make(map[string]bool)
	for _, page := range allPages(t) {
		for _, m := range link.FindAllStringSubmatch(prose(t, page), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if page == "docs/README.md" || strings.HasSuffix(path, ".svg") {
				linked[path] = true
			}
			_, err := os.Stat(filepath.Join(root, path))
			require.NoError(t, err, "%s links %s", page, m[1])
			if fragment != "" {
				require.Contains(t, anchors(read(t, path)), fragment, "%s links %s", page, m[1])
			}
		}
	}
	pictures, err := filepath.Glob(filepath.Join(root, "docs/pictures/*.svg"))
	require.NoError(t, err)
	for _, p := range append(pictures, allPages(t)...) {
		p = strings.TrimPrefix(p, root+"/")
		if p != "README.md" && p != "docs/README.md" {
			require.True(t, linked[p], "nothing links %s: docs/README.md must link each page, and a page each picture", p)
		}
	}
}

// anchors are those that a page's headings have on GitHub.
func anchors(page string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		a := strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")
		all = append(all, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(a, ""))
	}
	return all
}

// A name in brackets is a link only if the page says where to.
var shortLink = regexp.MustCompile("(\\[`[A-Za-z.]+`\\])([^(:\\[]|$)")

func TestShortLinksOfThePagesAreDefined(t *testing.T) {
	for _, page := range allPages(t) {
		text := prose(t, page)
		for _, m := range shortLink.FindAllStringSubmatch(text, -1) {
			require.Contains(t, text, "\n"+m[1]+": https://", "%s does not say what %s links", page, m[1])
		}
	}
}

var docLink = regexp.MustCompile(`https://pkg\.go\.dev/github\.com/multinode/mn([a-z/]*)(?:#([A-Za-z.]+))?[)\s]`)

func TestLinksToTheReferenceNameWhatThereIs(t *testing.T) {
	names := make(map[string]map[string]bool)
	links := 0
	for _, page := range allPages(t) {
		for _, m := range docLink.FindAllStringSubmatch(read(t, page), -1) {
			links++
			if names[m[1]] == nil {
				names[m[1]] = exported(t, filepath.Join(root, m[1]))
			}
			if m[2] != "" {
				require.True(t, names[m[1]][m[2]], "%s links %s of package %q, which there is not", page, m[2], "mn"+m[1])
			}
		}
	}
	require.Greater(t, links, 40)
}

// exported are the names that pkg.go.dev has anchors for.
func exported(t *testing.T, dir string) map[string]bool {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	set := token.NewFileSet()
	var parsed []*ast.File
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, f, nil, parser.ParseComments)
		require.NoError(t, err)
		parsed = append(parsed, file)
	}
	require.NotEmpty(t, parsed, "no package in %s", dir)
	p, err := doc.NewFromFiles(set, parsed, "github.com/multinode/mn")
	require.NoError(t, err)
	names := make(map[string]bool)
	values := func(groups ...[]*doc.Value) {
		for _, v := range slices.Concat(groups...) {
			for _, n := range v.Names {
				names[n] = true
			}
		}
	}
	funcs := func(prefix string, fs []*doc.Func) {
		for _, f := range fs {
			names[prefix+f.Name] = true
		}
	}
	values(p.Consts, p.Vars)
	funcs("", p.Funcs)
	for _, typ := range p.Types {
		names[typ.Name] = true
		values(typ.Consts, typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name+".", typ.Methods)
		fields(typ, names)
	}
	return names
}

func fields(typ *doc.Type, names map[string]bool) {
	for _, spec := range typ.Decl.Specs {
		s, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range s.Fields.List {
			for _, n := range f.Names {
				names[typ.Name+"."+n.Name] = true
			}
		}
	}
}
