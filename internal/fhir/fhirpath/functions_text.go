package fhirpath

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

func init() {
	define(1, 1, textFunc(func(s, t string) Collection { return one(Integer(int64(runeIndex(s, strings.Index(s, t))))) }), "indexOf")
	define(1, 1, textFunc(func(s, t string) Collection { return one(Integer(int64(runeIndex(s, strings.LastIndex(s, t))))) }), "lastIndexOf")
	define(1, 1, textFunc(func(s, t string) Collection { return truth(strings.HasPrefix(s, t)) }), "startsWith")
	define(1, 1, textFunc(func(s, t string) Collection { return truth(strings.HasSuffix(s, t)) }), "endsWith")
	define(1, 1, textFunc(func(s, t string) Collection { return truth(strings.Contains(s, t)) }), "contains")
	define(0, 0, ownText(strings.ToUpper), "upper")
	define(0, 0, ownText(strings.ToLower), "lower")
	define(0, 0, ownText(strings.TrimSpace), "trim")
	define(0, 0, length, "length")
	define(1, 2, substring, "substring")
	define(2, 2, replace, "replace")
	define(0, 0, toChars, "toChars")
	define(1, 1, split, "split")
	define(0, 1, join, "join")
	define(1, 1, coded(encode), "encode")
	define(1, 1, coded(decode), "decode")
	define(1, 1, coded(escape), "escape")
	define(1, 1, coded(unescaped), "unescape")
	functions["matches"] = &function{least: 1, most: 2, pattern: true, eval: matches}
	functions["matchesFull"] = &function{least: 1, most: 2, pattern: true, eval: matches}
	functions["replaceMatches"] = &function{least: 2, most: 3, pattern: true, eval: replaceMatches}
}

// own is the one string that a function is applied to; ok is false when there is none.
func (c *call) own(in Collection) (s string, ok bool, err error) {
	if len(in) == 0 {
		return "", false, nil
	}
	if len(in) > 1 {
		return "", false, fail(c.at, "%s() is applied to one string, not to %d items", c.name, len(in))
	}
	if s, ok := in[0].str(); ok {
		return s, true, nil
	}
	if in[0].typ.valued() && in[0].system() == nil {
		return "", false, nil
	}
	if m, ok := in[0].system().(*moment); ok { // FHIR's own expressions ask for the length of a date
		return m.String(), true, nil
	}
	return "", false, fail(c.at, "%s() is applied to a string, not to %s", c.name, in[0].Type())
}

// string evaluates an argument to one string; ok is false when it is empty.
func (r *run) string(c *call, n int) (s string, ok bool, err error) {
	a, err := r.arg(c, n)
	if err != nil || len(a) == 0 {
		return "", false, err
	}
	if len(a) > 1 {
		return "", false, fail(c.at, "%s() wants one string, not %d items", c.name, len(a))
	}
	if s, ok := a[0].str(); ok {
		return s, true, nil
	}
	if a[0].typ.valued() && a[0].system() == nil {
		return "", false, nil
	}
	return "", false, fail(c.at, "%s() wants a string, not %s", c.name, a[0].Type())
}

// both is the string and the first argument.
func (r *run) both(c *call, in Collection) (s, t string, ok bool, err error) {
	s, ok, err = c.own(in)
	if err != nil {
		return
	}
	t, has, err := r.string(c, 0)
	if err == nil {
		err = r.spend((len(s) + len(t)) / 64)
	}
	return s, t, ok && has, err
}

func textFunc(f func(s, t string) Collection) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		s, t, ok, err := r.both(c, in)
		if err != nil || !ok {
			return nil, err
		}
		return f(s, t), nil
	}
}

func ownText(f func(string) string) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		s, ok, err := c.own(in)
		if err != nil || !ok {
			return nil, err
		}
		return r.text(f(s))
	}
}

// runeIndex turns a byte index into a character index.
func runeIndex(s string, at int) int {
	if at < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:at])
}

func length(r *run, c *call, in Collection) (Collection, error) {
	s, ok, err := c.own(in)
	if err != nil || !ok {
		return nil, err
	}
	return one(Integer(int64(utf8.RuneCountInString(s)))), r.spend(len(s) / 64)
}

func substring(r *run, c *call, in Collection) (Collection, error) {
	s, ok, err := c.own(in)
	if err != nil || !ok {
		return nil, err
	}
	start, ok, err := r.integer(c, 0)
	if err != nil || !ok {
		return nil, err
	}
	count := int64(len(s))
	if len(c.args) == 2 {
		n, has, err := r.integer(c, 1)
		if err != nil {
			return nil, err
		}
		if has {
			count = n
		}
	}
	if start < 0 || start >= int64(utf8.RuneCountInString(s)) {
		return nil, nil
	}
	from := skipRunes(s, start)
	rest := s[from:]
	return r.text(rest[:skipRunes(rest, max(count, 0))])
}

// skipRunes is the byte index after n characters.
func skipRunes(s string, n int64) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func replace(r *run, c *call, in Collection) (Collection, error) {
	s, old, ok, err := r.both(c, in)
	if err != nil || !ok {
		return nil, err
	}
	with, ok, err := r.string(c, 1)
	if err != nil || !ok {
		return nil, err
	}
	if n := strings.Count(s, old); len(s)+n*len(with) > maxText {
		return nil, ErrSteps
	}
	return r.text(strings.ReplaceAll(s, old, with))
}

func toChars(r *run, c *call, in Collection) (Collection, error) {
	s, ok, err := c.own(in)
	if err != nil || !ok {
		return nil, err
	}
	if err := r.spend(len(s)); err != nil {
		return nil, err
	}
	out := make(Collection, 0, len(s))
	for _, x := range s {
		out = append(out, Text(string(x)))
	}
	return out, nil
}

func split(r *run, c *call, in Collection) (Collection, error) {
	s, by, ok, err := r.both(c, in)
	if err != nil || !ok {
		return nil, err
	}
	if err := r.spend(strings.Count(s, by)); err != nil {
		return nil, err
	}
	var out Collection
	for _, p := range strings.Split(s, by) {
		out = append(out, Text(p))
	}
	return out, nil
}

func join(r *run, c *call, in Collection) (Collection, error) {
	by := ""
	if len(c.args) == 1 {
		s, ok, err := r.string(c, 0)
		if err != nil || !ok {
			return nil, err
		}
		by = s
	}
	if len(in) == 0 {
		return nil, nil
	}
	var b strings.Builder
	for n := range in {
		s, ok := in[n].str()
		if !ok {
			if in[n].typ.valued() && in[n].system() == nil {
				continue
			}
			return nil, fail(c.at, "join() joins strings, not %s", in[n].Type())
		}
		if n > 0 {
			b.WriteString(by)
		}
		if b.WriteString(s); b.Len() > maxText {
			return nil, ErrSteps
		}
	}
	return r.text(b.String())
}

// coded applies a function whose argument names a format; an unknown one gives nothing.
func coded(f func(s, format string) (string, bool)) func(*run, *call, Collection) (Collection, error) {
	return func(r *run, c *call, in Collection) (Collection, error) {
		s, format, ok, err := r.both(c, in)
		if err != nil || !ok {
			return nil, err
		}
		out, ok := f(s, format)
		if !ok {
			return nil, nil
		}
		return r.text(out)
	}
}

func encode(s, format string) (string, bool) {
	switch format {
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(s)), true
	case "urlbase64":
		return base64.URLEncoding.EncodeToString([]byte(s)), true
	case "hex":
		return hex.EncodeToString([]byte(s)), true
	}
	return "", false
}

func decode(s, format string) (string, bool) {
	var b []byte
	var err error
	switch format {
	case "base64":
		b, err = base64.StdEncoding.DecodeString(s)
	case "urlbase64":
		b, err = base64.URLEncoding.DecodeString(s)
	case "hex":
		b, err = hex.DecodeString(s)
	default:
		return "", false
	}
	return string(b), err == nil && utf8.Valid(b)
}

var (
	htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")
	jsonEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`, "\b", `\b`)
)

func escape(s, format string) (string, bool) {
	switch format {
	case "html":
		return htmlEscapes.Replace(s), true
	case "json":
		return jsonEscapes.Replace(s), true
	}
	return "", false
}

func unescaped(s, format string) (string, bool) {
	switch format {
	case "html":
		return html.UnescapeString(s), true
	case "json":
		out, err := unescape(s)
		return out, err == ""
	}
	return "", false
}

const maxPattern = 1 << 10

// compilePattern compiles a regular expression: . matches a line end; full wants the whole string.
func compilePattern(s string, full bool) (*regexp.Regexp, error) {
	if len(s) > maxPattern {
		return nil, fail(-1, "a pattern has at most %d bytes", maxPattern)
	}
	if full {
		return regexp.Compile(`(?s)\A(?:` + s + `)\z`)
	}
	return regexp.Compile("(?s)" + s)
}

func (r *run) regexp(c *call, pattern string) (*regexp.Regexp, error) {
	if c.re != nil {
		return c.re, nil
	}
	if err := r.spend(100 + 50*len(pattern)); err != nil {
		return nil, err
	}
	re, err := compilePattern(pattern, c.name == "matchesFull")
	if err != nil {
		return nil, fail(c.at, "the pattern of %s() is not one", c.name)
	}
	return re, nil
}

func matches(r *run, c *call, in Collection) (Collection, error) {
	s, pattern, ok, err := r.both(c, in)
	if err != nil || !ok {
		return nil, err
	}
	re, err := r.regexp(c, pattern)
	if err != nil {
		return nil, err
	}
	return truth(re.MatchString(s)), r.spend(len(s))
}

func replaceMatches(r *run, c *call, in Collection) (Collection, error) {
	s, pattern, ok, err := r.both(c, in)
	if err != nil || !ok {
		return nil, err
	}
	with, ok, err := r.string(c, 1)
	if err != nil || !ok {
		return nil, err
	}
	if pattern == "" {
		return r.text(s)
	}
	re, err := r.regexp(c, pattern)
	if err != nil {
		return nil, err
	}
	if err := r.spend(len(s)); err != nil {
		return nil, err
	}
	var b []byte
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		b = append(b, s[last:m[0]]...)
		b = re.ExpandString(b, with, s, m)
		last = m[1]
		if len(b) > maxText {
			return nil, ErrSteps
		}
	}
	return r.text(string(append(b, s[last:]...)))
}
