package dashboard

import (
	"fmt"
	"html"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// shownJSON bounds how much of a value a page shows, in bytes of its text.
	shownJSON = 32 << 10
	// shownYield is that of an older yield.
	shownYield = 2 << 10
	// maxIndent bounds the indentation: values may be nested ten thousand deep.
	maxIndent = 24
)

// pretty lays out a JSON value as markup, coloured by classes, and reports whether all of it
// is shown. It never builds more than some times limit, whatever the value is, and reads
// what is no JSON as well as it can. All text is escaped.
func pretty(data []byte, limit int) (template.HTML, bool) {
	p := printer{rest: string(data), limit: limit}
	for p.rest != "" && p.shown < p.limit {
		p.token()
	}
	return template.HTML(p.out.String()), p.rest == "" //nolint:gosec // every text has passed html.EscapeString
}

// printer writes one token after another.
type printer struct {
	rest  string
	limit int
	out   strings.Builder
	shown int
	depth int
	// By depth: whether it is an object, and whether its next string is a key.
	objects, key []bool
}

func (p *printer) token() {
	switch c := p.rest[0]; c {
	case ' ', '\t', '\n', '\r':
		p.rest = p.rest[1:]
	case '{', '[':
		p.open(c)
	case '}', ']':
		p.rest = p.rest[1:]
		p.pop()
		p.line()
		p.text("", string(c))
	case ',':
		p.rest = p.rest[1:]
		p.text("", ",")
		p.line()
		if p.depth > 0 {
			p.key[p.depth-1] = p.objects[p.depth-1]
		}
	case ':':
		p.rest = p.rest[1:]
		p.text("", ": ")
	case '"':
		p.string()
	default:
		n := strings.IndexAny(p.rest, " \t\n\r{}[],:\"")
		if n < 1 {
			n = len(p.rest)
		}
		word := p.take(n)
		class := "n"
		if unicode.IsLetter(rune(word[0])) {
			class = "w"
		}
		p.text(class, word)
	}
}

// open begins an object or array; an empty one stays on its line.
func (p *printer) open(c byte) {
	p.rest = strings.TrimLeft(p.rest[1:], " \t\n\r")
	if p.rest != "" && (p.rest[0] == '}' || p.rest[0] == ']') {
		p.text("", string(c)+p.rest[:1])
		p.rest = p.rest[1:]
		return
	}
	p.text("", string(c))
	p.key = append(p.key, c == '{')
	p.objects = append(p.objects, c == '{')
	p.depth++
	p.line()
}

func (p *printer) pop() {
	if p.depth > 0 {
		p.depth--
		p.key, p.objects = p.key[:p.depth], p.objects[:p.depth]
	}
}

// string writes a string, and as much as fits of a long one.
func (p *printer) string() {
	end := 1
	for end < len(p.rest) && p.rest[end] != '"' {
		if p.rest[end] == '\\' {
			end++
		}
		end++
	}
	class := "s"
	if p.depth > 0 && p.key[p.depth-1] {
		class, p.key[p.depth-1] = "k", false
	}
	p.text(class, p.take(min(end+1, len(p.rest))))
}

// take removes n bytes, or less if they would be too many.
func (p *printer) take(n int) string {
	if room := p.limit - p.shown; n > room {
		for n = room; n > 1 && !utf8.RuneStart(p.rest[n]); n-- {
		}
	}
	n = max(1, n)
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

func (p *printer) line() {
	p.text("", "\n"+strings.Repeat("  ", min(p.depth, maxIndent)))
}

func (p *printer) text(class, s string) {
	p.shown += len(s)
	s = html.EscapeString(visible(s))
	if class == "" {
		p.out.WriteString(s)
		return
	}
	fmt.Fprintf(&p.out, `<span class="j-%s">%s</span>`, class, s)
}

// visible writes as JSON escapes what would hide or reorder the text around it.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden are controls and Unicode's formatting characters, such as those that turn the
// direction of writing.
func hidden(r rune) bool {
	return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r <= 0xffff)
}
