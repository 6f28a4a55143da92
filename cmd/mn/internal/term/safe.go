// Package term writes to terminals: text that is safe to show, colours where they are
// wanted, tables, bars, times.
package term

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes text from anywhere safe to show on one line of a terminal: what could move the
// cursor, change colours or the title, reverse the direction of writing or is no UTF-8 is
// shown as an escape as in Go's strings, such as \x1b.
func Line(s string) string { return escape(s, func(rune) bool { return false }) }

// Text is Line for text of several lines: line breaks and tabs stay.
func Text(s string) string { return escape(s, func(r rune) bool { return r == '\n' || r == '\t' }) }

// zeroWidthJoiner joins emoji, and cannot do harm.
const zeroWidthJoiner = '\u200d'

func escape(s string, keep func(rune) bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r) || r == zeroWidthJoiner || keep(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// JSON makes valid JSON safe to show without changing its meaning: what [Text] would escape
// is written as JSON's \u escapes, which is possible because it can stand in strings only.
func JSON(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			b.WriteString(`\ufffd`)
		case unicode.IsPrint(r) || r == zeroWidthJoiner || r == '\n' || r == '\t' || r == '\r':
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := (r-0x10000)>>10, (r-0x10000)&0x3ff
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+high, 0xdc00+low)
		}
	}
	return b.String()
}
