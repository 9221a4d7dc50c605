package fhirpath

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type token uint8

const (
	end      token = iota
	name           // identifier, also a keyword
	quoted         // `identifier`
	text           // 'string'
	number         // 12, 1.50
	date           // @2015-02-04, with T…: a dateTime
	clock          // @T10:30
	symbol         // operators and brackets
	variable       // %name; text is the name
	special        // $this, $index, $total
)

type lexer struct {
	src   string
	at    int // where the next token may start
	start int // of the current token
	tok   token
	val   string // its text, escapes resolved
	err   *Error
}

func fail(at int, format string, args ...any) *Error {
	return &Error{At: at, Text: fmt.Sprintf(format, args...)}
}

func (l *lexer) fail(at int, format string, args ...any) {
	if l.err == nil {
		l.err = fail(at, format, args...)
	}
	l.tok, l.val = end, ""
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// space skips white space and comments.
func (l *lexer) space() {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.at++
		case c == '/' && strings.HasPrefix(l.src[l.at:], "//"):
			n := strings.IndexAny(l.src[l.at:], "\r\n")
			if n < 0 {
				n = len(l.src) - l.at
			}
			l.at += n
		case c == '/' && strings.HasPrefix(l.src[l.at:], "/*"):
			n := strings.Index(l.src[l.at+2:], "*/")
			if n < 0 {
				l.fail(l.at, "comment is not closed")
				l.at = len(l.src)
				return
			}
			l.at += n + 4
		default:
			return
		}
	}
}

func (l *lexer) next() {
	l.space()
	l.start = l.at
	if l.err != nil || l.at >= len(l.src) {
		l.tok, l.val = end, ""
		return
	}
	switch c := l.src[l.at]; {
	case isLetter(c):
		l.tok, l.val = name, l.word()
	case isDigit(c):
		l.number()
	case c == '`':
		if s, ok := l.delimited('`'); ok {
			if l.tok, l.val = quoted, s; s == "" {
				l.fail(l.start, "an empty name")
			}
		}
	case c == '\'':
		if s, ok := l.delimited('\''); ok {
			l.tok, l.val = text, s
		}
	case c == '@':
		l.date()
	case c == '%':
		l.at++
		l.variable()
	case c == '$':
		l.at++
		w := l.word()
		if w != "this" && w != "index" && w != "total" {
			l.fail(l.start, "only $this, $index and $total begin with $")
			return
		}
		l.tok, l.val = special, w
	default:
		l.symbol()
	}
}

func (l *lexer) word() string {
	from := l.at
	for l.at < len(l.src) && (isLetter(l.src[l.at]) || l.at > from && isDigit(l.src[l.at])) {
		l.at++
	}
	return l.src[from:l.at]
}

func (l *lexer) variable() {
	l.tok = variable
	if l.at < len(l.src) {
		switch c := l.src[l.at]; c {
		case '`', '\'', '"':
			s, ok := l.delimited(c)
			if ok {
				l.tok, l.val = variable, s
			}
			return
		}
	}
	if l.val = l.word(); l.val == "" {
		l.fail(l.start, "%% needs a name")
	}
}

func (l *lexer) number() {
	from := l.at
	l.digits()
	if l.at+1 < len(l.src) && l.src[l.at] == '.' && isDigit(l.src[l.at+1]) {
		l.at++
		l.digits()
	}
	l.tok, l.val = number, l.src[from:l.at]
}

func (l *lexer) digits() {
	for l.at < len(l.src) && isDigit(l.src[l.at]) {
		l.at++
	}
}

// date reads @YYYY[-MM[-DD]][T[hh[:mm[:ss[.fff]]]][zone]] or @Thh[:mm[:ss[.fff]]].
func (l *lexer) date() {
	l.at++
	from := l.at
	if l.at < len(l.src) && l.src[l.at] == 'T' {
		l.at++
		l.timeOfDay()
		l.tok, l.val = clock, l.src[from+1:l.at]
		return
	}
	l.digits()
	for l.at+1 < len(l.src) && l.src[l.at] == '-' && isDigit(l.src[l.at+1]) && l.at-from < 8 {
		l.at++
		l.digits()
	}
	if l.at < len(l.src) && l.src[l.at] == 'T' {
		l.at++
		l.timeOfDay()
		if l.at < len(l.src) {
			switch c := l.src[l.at]; {
			case c == 'Z':
				l.at++
			case (c == '+' || c == '-') && l.at+6 <= len(l.src) && isDigit(l.src[l.at+1]) && isDigit(l.src[l.at+2]) && l.src[l.at+3] == ':':
				l.at += 6
			}
		}
	}
	l.tok, l.val = date, l.src[from:l.at]
}

func (l *lexer) timeOfDay() {
	l.digits()
	for n := 0; n < 2 && l.at+1 < len(l.src) && l.src[l.at] == ':' && isDigit(l.src[l.at+1]); n++ {
		l.at++
		l.digits()
		if n == 1 && l.at+1 < len(l.src) && l.src[l.at] == '.' && isDigit(l.src[l.at+1]) {
			l.at++
			l.digits()
		}
	}
}

func (l *lexer) symbol() {
	two := l.src[l.at:min(l.at+2, len(l.src))]
	switch two {
	case "<=", ">=", "!=", "!~":
		l.at += 2
		l.tok, l.val = symbol, two
		return
	}
	if strings.IndexByte("+-*/|&=~<>.,()[]{}", two[0]) < 0 {
		r, _ := utf8.DecodeRuneInString(l.src[l.at:])
		l.fail(l.at, "unexpected %q", r)
		return
	}
	l.at++
	l.tok, l.val = symbol, two[:1]
}

// delimited reads up to the closing delimiter and resolves escapes.
func (l *lexer) delimited(d byte) (string, bool) {
	from := l.at + 1
	i := from
	for i < len(l.src) && l.src[i] != d {
		if l.src[i] == '\\' {
			i++
		}
		i++
	}
	if i >= len(l.src) {
		l.fail(l.at, "%c is not closed", d)
		return "", false
	}
	raw := l.src[from:i]
	l.at = i + 1
	if strings.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	s, err := unescape(raw)
	if err != "" {
		l.fail(from, "%s", err)
		return "", false
	}
	return s, true
}

func unescape(raw string) (s, err string) {
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			b = append(b, c)
			continue
		}
		i++
		if i >= len(raw) {
			return "", "nothing after \\"
		}
		switch raw[i] {
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'f':
			b = append(b, '\f')
		case '\'', '"', '`', '\\', '/':
			b = append(b, raw[i])
		case 'u':
			r, ok := hex4(raw, i+1)
			if !ok {
				return "", `\u needs four hexadecimal digits`
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if strings.HasPrefix(raw[i+1:], `\u`) {
					low, ok = hex4(raw, i+3)
				}
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					return "", "a lone surrogate is no character"
				}
				i += 6
			}
			b = utf8.AppendRune(b, r)
		default:
			// FHIR's own expressions hold \d and the like in patterns: both characters stand
			b = append(b, '\\', raw[i])
		}
	}
	return string(b), ""
}

func hex4(s string, i int) (rune, bool) {
	if len(s) < i+4 {
		return 0, false
	}
	v, err := strconv.ParseUint(s[i:i+4], 16, 32)
	return rune(v), err == nil
}
