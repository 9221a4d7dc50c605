package er7

import "strings"

// Components is a field with components.
type Components []string

// Repeated is a field that repeats.
type Repeated []Components

// New begins a message with the MSH of its kind: MSH-3 to MSH-6 as given, then MSH-7 on as Add does.
func New(d Delimiters, charset string) *Message {
	return &Message{Delimiters: d, Charset: charset}
}

// Add appends a segment. A field is a string, Components, or Repeated; texts are escaped. Of MSH the first field given
// is MSH-3.
func (m *Message) Add(name string, fields ...any) *Message {
	d := m.Delimiters
	s := Segment{Fields: []string{name}, with: d}
	if name == "MSH" {
		signs := []byte{d.Component, d.Repetition, d.Escape, d.Sub}
		if d.Truncation != 0 {
			signs = append(signs, d.Truncation)
		}
		s.Fields = append(s.Fields, string(d.Field), string(signs))
	}
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			s.Fields = append(s.Fields, d.escape(f))
		case Components:
			s.Fields = append(s.Fields, d.join(f))
		case Repeated:
			all := make([]string, len(f))
			for i, c := range f {
				all[i] = d.join(c)
			}
			s.Fields = append(s.Fields, strings.Join(all, string(d.Repetition)))
		default:
			panic("er7: a field is a string, Components or Repeated")
		}
	}
	for len(s.Fields) > 1 && s.Fields[len(s.Fields)-1] == "" {
		s.Fields = s.Fields[:len(s.Fields)-1]
	}
	m.Segments = append(m.Segments, s)
	return m
}

func (d Delimiters) join(c Components) string {
	all := make([]string, len(c))
	for i, text := range c {
		all[i] = d.escape(text)
	}
	return strings.TrimRight(strings.Join(all, string(d.Component)), string(d.Component))
}

// String is the message in UTF-8, every segment ended by a carriage return.
func (m *Message) String() string {
	var b strings.Builder
	for _, s := range m.Segments {
		fields := s.Fields
		if s.Name() == "MSH" && len(fields) > 2 {
			b.WriteString("MSH" + fields[1])
			fields = fields[2:]
		}
		b.WriteString(strings.Join(fields, string(m.Delimiters.Field)))
		b.WriteByte('\r')
	}
	return b.String()
}

// Bytes is the message in its charset.
func (m *Message) Bytes() []byte { return encode(m.String(), m.Charset) }
