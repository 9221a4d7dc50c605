package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Of starts an entry from the caller in ctx.
func Of(ctx context.Context, action, what, target string) Entry {
	e := Entry{Action: action, What: what, Target: target, Outcome: "0"}
	if c := access.From(ctx); c != nil {
		e.User, e.Name, e.Role, e.Org, e.Remote, e.Request = c.User, c.Name, string(c.Role), c.Org, c.Remote, c.Request
	}
	return e
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
		Target: n.Str("target"), Outcome: n.Str("outcome"), Remote: n.Str("remote"), Request: n.Str("request")}
	e.Wall, _ = time.Parse(time.RFC3339Nano, n.Str("wall"))
	e.At, _ = time.Parse(time.RFC3339Nano, n.Str("at"))
	for _, p := range n.All("patients") {
		e.Patients = append(e.Patients, p.Text)
	}
	fmt.Sscan(n.Str("count"), &e.Count)
	return e, nil
}
