// Package er7 reads and writes HL7 v2 messages in their vertical-bar form.
package er7

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of one message. What is larger is refused, never cut.
const (
	MaxBytes    = 1 << 20
	MaxSegments = 2000
	MaxFields   = 600 // of one segment
	MaxDepth    = 500 // repetitions of a field, components, subcomponents
)

// ErrTooLarge: a bound was passed.
var ErrTooLarge = errors.New("er7: the message is too large")

// Delimiters stand in MSH-1 and MSH-2.
type Delimiters struct {
	Field, Component, Repetition, Escape, Sub byte
	Truncation                                byte // from version 2.7 on; 0 = none
}

// Usual are the delimiters that nearly everybody sends.
var Usual = Delimiters{Field: '|', Component: '^', Repetition: '~', Escape: '\\', Sub: '&'}

// Message is a list of segments. Texts are UTF-8, whatever the sender wrote in.
type Message struct {
	Delimiters Delimiters
	Charset    string // as MSH-18 named it, "" = not named
	Segments   []Segment
}

// Segment is one line. Fields are kept as they stood, still escaped: Fields[0] is the name, and of MSH Fields[1] and
// Fields[2] are the delimiters, so that Fields[n] is what the standard calls field n.
type Segment struct {
	Fields []string
	with   Delimiters
}

// Name of the segment: PID, PV1, ZBE.
func (s *Segment) Name() string {
	if s == nil || len(s.Fields) == 0 {
		return ""
	}
	return s.Fields[0]
}

// Parse reads one message: bytes in the charset of MSH-18; where none is named, UTF-8 if it is that, else GB 18030.
func Parse(raw []byte) (*Message, error) {
	if len(raw) > MaxBytes {
		return nil, ErrTooLarge
	}
	text, charset, err := decode(raw)
	if err != nil {
		return nil, err
	}
	d, err := delimiters(text)
	if err != nil {
		return nil, err
	}
	m := &Message{Delimiters: d, Charset: charset}
	for line := range lines(text) {
		if line == "" {
			continue
		}
		if len(m.Segments) == MaxSegments {
			return nil, ErrTooLarge
		}
		s, err := segment(line, d)
		if err != nil {
			return nil, fmt.Errorf("er7: segment %d: %w", len(m.Segments)+1, err)
		}
		if s.Fields[0] == "MSH" && len(m.Segments) > 0 {
			return nil, fmt.Errorf("er7: segment %d begins a second message", len(m.Segments)+1)
		}
		m.Segments = append(m.Segments, s)
	}
	return m, nil
}

func delimiters(text string) (Delimiters, error) {
	if len(text) < 8 || text[:3] != "MSH" {
		return Delimiters{}, errors.New("er7: a message begins with MSH and its delimiters")
	}
	d := Delimiters{Field: text[3]}
	end := strings.IndexByte(text[4:], d.Field)
	if end < 0 {
		end = strings.IndexAny(text[4:], "\r\n")
	}
	if end < 0 {
		end = len(text) - 4
	}
	given := text[4 : 4+end]
	if len(given) < 4 || len(given) > 5 {
		return d, fmt.Errorf("er7: MSH-2 has %d delimiters, not 4 or 5", len(given))
	}
	d.Component, d.Repetition, d.Escape, d.Sub = given[0], given[1], given[2], given[3]
	if len(given) == 5 {
		d.Truncation = given[4]
	}
	seen := map[byte]bool{}
	for _, c := range append([]byte{d.Field}, given...) {
		if c <= ' ' || c >= 0x7f || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || seen[c] {
			return d, fmt.Errorf("er7: %q cannot be a delimiter here", c)
		}
		seen[c] = true
	}
	return d, nil
}

// lines: segments end in a carriage return; where there is none at all, in a line feed.
func lines(text string) func(yield func(string) bool) {
	end := "\r"
	if !strings.Contains(text, "\r") {
		end = "\n"
	}
	return func(yield func(string) bool) {
		for line := range strings.SplitSeq(text, end) {
			if !yield(strings.Trim(line, "\n")) {
				return
			}
		}
	}
}

func segment(line string, d Delimiters) (Segment, error) {
	if strings.Count(line, string(d.Field)) > MaxFields {
		return Segment{}, ErrTooLarge
	}
	fields := strings.Split(line, string(d.Field))
	name := fields[0]
	if len(name) != 3 || name[0] < 'A' || name[0] > 'Z' || !upper(name[1]) || !upper(name[2]) {
		if len(name) > 12 {
			name = name[:12] + "…"
		}
		return Segment{}, fmt.Errorf("%q is no name of a segment", strings.ToValidUTF8(name, ""))
	}
	if name == "MSH" {
		fields = append([]string{name, string(d.Field)}, fields[1:]...)
	}
	return Segment{Fields: fields, with: d}, nil
}

func upper(c byte) bool { return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' }

// First segment of a name, nil when there is none; a nil Segment answers "" to everything.
func (m *Message) First(name string) *Segment {
	for i := range m.Segments {
		if m.Segments[i].Name() == name {
			return &m.Segments[i]
		}
	}
	return nil
}

// All segments of a name, in order.
func (m *Message) All(name string) []*Segment {
	var all []*Segment
	for i := range m.Segments {
		if m.Segments[i].Name() == name {
			all = append(all, &m.Segments[i])
		}
	}
	return all
}

// Get reads one place: "PID-3.1" is the first component of the first repetition, "PID-3[2].4.1" says which.
func (m *Message) Get(path string) string {
	name, rest, _ := strings.Cut(path, "-")
	place, deeper, _ := strings.Cut(rest, ".")
	rep := 1
	if at := strings.IndexByte(place, '['); at >= 0 && strings.HasSuffix(place, "]") {
		rep = number(place[at+1 : len(place)-1])
		place = place[:at]
	}
	reps := m.First(name).Repeats(number(place))
	if rep < 1 || rep > len(reps) {
		return ""
	}
	if deeper == "" {
		return reps[rep-1].Text()
	}
	comp, sub, deep := strings.Cut(deeper, ".")
	if !deep {
		return reps[rep-1].Component(number(comp))
	}
	return reps[rep-1].Sub(number(comp), number(sub))
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// Value is one repetition of a field, still escaped.
type Value struct {
	raw  string
	with Delimiters
}

// Repeats lists the repetitions of field n; none when it is empty.
func (s *Segment) Repeats(n int) []Value {
	if s == nil || n < 1 || n >= len(s.Fields) || s.Fields[n] == "" {
		return nil
	}
	if s.Name() == "MSH" && n <= 2 { // the delimiters themselves
		return []Value{{raw: s.Fields[n], with: Delimiters{}}}
	}
	var all []Value
	for _, raw := range strings.SplitN(s.Fields[n], string(s.with.Repetition), MaxDepth) {
		all = append(all, Value{raw, s.with})
	}
	return all
}

// At is the first repetition of field n.
func (s *Segment) At(n int) Value {
	if all := s.Repeats(n); len(all) > 0 {
		return all[0]
	}
	return Value{}
}

// Text of a field that has no components; of one that has, the first.
func (v Value) Text() string { return v.Component(1) }

// Whole is all of it, components and all, with escapes resolved.
func (v Value) Whole() string { return v.with.unescape(v.raw) }

// Component n, from 1: its first subcomponent.
func (v Value) Component(n int) string { return v.Sub(n, 1) }

// Sub is subcomponent s of component n, both from 1.
func (v Value) Sub(n, s int) string {
	if v.with == (Delimiters{}) {
		if n == 1 && s == 1 {
			return v.raw
		}
		return ""
	}
	return v.with.unescape(nth(nth(v.raw, v.with.Component, n), v.with.Sub, s))
}

func nth(text string, by byte, n int) string {
	if n < 1 || n > MaxDepth {
		return ""
	}
	for ; n > 1; n-- {
		at := strings.IndexByte(text, by)
		if at < 0 {
			return ""
		}
		text = text[at+1:]
	}
	if at := strings.IndexByte(text, by); at >= 0 {
		text = text[:at]
	}
	return text
}

// Null says whether a text means "delete what you have": two double quotes.
func Null(text string) bool { return text == `""` }
