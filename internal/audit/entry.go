package audit

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Of starts an entry from the caller in ctx.
func Of(ctx context.Context, action, what, target string) Entry {
	e := By(access.From(ctx))
	e.Action, e.What, e.Target = action, what, target
	return e
}

// By starts an entry of a caller; nil is the program itself.
func By(c *access.Caller) Entry {
	e := Entry{Outcome: "0"}
	if c != nil {
		e.User, e.Name, e.Role, e.Org, e.Remote, e.Request = c.User, c.Name, string(c.Role), c.Org, c.Remote, c.Request
		e.Person, e.Purpose, e.Client, e.Session = c.Practitioner, c.Purpose, c.Client, c.Session
	}
	return e
}

// The longest texts that an entry takes; what is longer is cut and says so.
const (
	longName   = 200
	longTarget = 4000
	longReason = 2000
)

// bound cuts what a client may have made long, and replaces what no JSON of ours holds.
func (e *Entry) bound() {
	for _, t := range []*string{&e.User, &e.Name, &e.Role, &e.Org, &e.What, &e.Outcome, &e.Remote, &e.Request, &e.Person, &e.Purpose, &e.Client, &e.Session} {
		cut(t, longName)
	}
	cut(&e.Target, longTarget)
	cut(&e.Reason, longReason)
}

func cut(t *string, longest int) {
	if strings.IndexByte(*t, 0) >= 0 || !utf8.ValidString(*t) {
		*t = strings.ReplaceAll(strings.ToValidUTF8((*t)[:min(len(*t), 4*longest)], "\uFFFD"), "\x00", "\uFFFD")
	}
	if len(*t) <= longest {
		return
	}
	end := longest
	for end > longest-4 && !utf8.RuneStart((*t)[end]) {
		end--
	}
	*t = (*t)[:end] + "…"
}

// appendBody writes the canonical form of an entry, without seq: one line of JSON, properties in a
// fixed order, empty ones left out. The chain is computed over these bytes.
func appendBody(b []byte, e *Entry) []byte {
	b = append(b, `{"wall":"`...)
	b = e.Wall.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if !e.At.IsZero() {
		b = append(b, `,"at":"`...)
		b = e.At.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
	}
	b = appendText(b, "user", e.User)
	b = appendText(b, "name", e.Name)
	b = appendText(b, "role", e.Role)
	b = appendText(b, "org", e.Org)
	b = appendText(b, "action", e.Action)
	b = appendText(b, "what", e.What)
	b = appendText(b, "target", e.Target)
	if len(e.Patients) > 0 {
		b = append(b, `,"patients":[`...)
		for i, p := range e.Patients {
			if i > 0 {
				b = append(b, ',')
			}
			b, _ = jsontext.AppendQuote(b, p)
		}
		b = append(b, ']')
	}
	b = appendText(b, "outcome", e.Outcome)
	b = appendText(b, "remote", e.Remote)
	b = appendText(b, "request", e.Request)
	if e.Count != 0 {
		b = fmt.Appendf(b, `,"count":%d`, e.Count)
	}
	b = appendText(b, "person", e.Person)
	b = appendText(b, "purpose", e.Purpose)
	b = appendText(b, "reason", e.Reason)
	b = appendText(b, "client", e.Client)
	b = appendText(b, "session", e.Session)
	return append(b, '}')
}

func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	quoted, err := jsontext.AppendQuote(b, text)
	if err != nil { // invalid UTF-8: quoted with replacement characters
		quoted, _ = jsontext.AppendQuote(b, string([]rune(text)))
	}
	return quoted
}

// readBody is the way back from appendBody.
func readBody(body []byte) (Entry, error) {
	n, err := fhir.Parse(body)
	if err != nil {
		return Entry{}, fmt.Errorf("audit: entry: %w", err)
	}
	e := Entry{User: n.Str("user"), Name: n.Str("name"), Role: n.Str("role"), Org: n.Str("org"), Action: n.Str("action"), What: n.Str("what"),
		Target: n.Str("target"), Outcome: n.Str("outcome"), Remote: n.Str("remote"), Request: n.Str("request"),
		Person: n.Str("person"), Purpose: n.Str("purpose"), Reason: n.Str("reason"), Client: n.Str("client"), Session: n.Str("session")}
	e.Wall, _ = time.Parse(time.RFC3339Nano, n.Str("wall"))
	e.At, _ = time.Parse(time.RFC3339Nano, n.Str("at"))
	for _, p := range n.All("patients") {
		e.Patients = append(e.Patients, p.Text)
	}
	fmt.Sscan(n.Str("count"), &e.Count)
	return e, nil
}

// JSON is an entry in its canonical form, over which the chain is computed.
func (e *Entry) JSON() []byte { return appendBody(nil, e) }

// Marked says whether somebody had to say why.
func (e *Entry) Marked() bool { return e.mark() != 0 }
