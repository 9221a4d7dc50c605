package er7

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// unescape resolves \F\ \S\ \T\ \R\ \E\ \P\ \Xhh\ and \.br\; highlighting is dropped, what is unknown stays as it stood.
func (d Delimiters) unescape(text string) string {
	if d.Escape == 0 || strings.IndexByte(text, d.Escape) < 0 {
		return text
	}
	var b strings.Builder
	for {
		from := strings.IndexByte(text, d.Escape)
		if from < 0 {
			b.WriteString(text)
			return b.String()
		}
		length := strings.IndexByte(text[from+1:], d.Escape)
		if length < 0 || length > 200 {
			b.WriteString(text[:from+1])
			text = text[from+1:]
			continue
		}
		b.WriteString(text[:from])
		whole := text[from : from+length+2]
		if plain, ok := d.meaning(whole[1 : len(whole)-1]); ok {
			b.WriteString(plain)
		} else {
			b.WriteString(whole)
		}
		text = text[from+length+2:]
	}
}

func (d Delimiters) meaning(code string) (string, bool) {
	switch code {
	case "F":
		return string(d.Field), true
	case "S":
		return string(d.Component), true
	case "T":
		return string(d.Sub), true
	case "R":
		return string(d.Repetition), true
	case "E":
		return string(d.Escape), true
	case "P":
		if d.Truncation != 0 {
			return string(d.Truncation), true
		}
	case "H", "N":
		return "", true
	case ".br", ".sp":
		return "\n", true
	}
	if len(code) > 2 && code[0] == 'X' {
		b, err := hex.DecodeString(code[1:])
		if err == nil && utf8.Valid(b) && !strings.ContainsFunc(string(b), forbidden) {
			return string(b), true
		}
	}
	return "", false
}

// forbidden: control characters that no text holds.
func forbidden(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }

// escape makes a text safe to stand in a component.
func (d Delimiters) escape(text string) string {
	if !strings.ContainsAny(text, string([]byte{d.Field, d.Component, d.Repetition, d.Escape, d.Sub, '\r', '\n'})) && d.Truncation == 0 {
		return text
	}
	var b strings.Builder
	put := func(code string) { b.WriteByte(d.Escape); b.WriteString(code); b.WriteByte(d.Escape) }
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == d.Field:
			put("F")
		case c == d.Component:
			put("S")
		case c == d.Sub:
			put("T")
		case c == d.Repetition:
			put("R")
		case c == d.Escape:
			put("E")
		case d.Truncation != 0 && c == d.Truncation:
			put("P")
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
		case c == '\r' || c == '\n':
			put(".br")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
