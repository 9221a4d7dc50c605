package fhir

import (
	"fmt"
	"strings"
)

// Issue is one entry of an OperationOutcome.
type Issue struct {
	Severity   string // fatal | error | warning | information
	Code       string // FHIR IssueType: structure, required, value, invariant, not-found, conflict, …
	Detail     string // our own stable code, e.g. "unknown-element"; the page's words are keyed by it
	Text       string // English, for operators and integrators
	Zh         string // Chinese, for everybody who works in the page
	Expression string // FHIRPath of the place, e.g. Patient.contact[0].gender
}

// Error carries issues up to the one place that answers them (rest/error.go).
// Status is the HTTP status that fits; 0 means 400.
type Error struct {
	Status int
	Issues []Issue
}

func (e *Error) Error() string {
	var b strings.Builder
	for i, is := range e.Issues {
		if i > 0 {
			b.WriteString("; ")
		}
		if is.Expression != "" {
			fmt.Fprintf(&b, "%s: ", is.Expression)
		}
		b.WriteString(is.Text)
	}
	return b.String()
}

// Refuse makes an Error of one issue.
func Refuse(status int, code, detail, text, zh string) *Error {
	return &Error{Status: status, Issues: []Issue{{Severity: "error", Code: code, Detail: detail, Text: text, Zh: zh}}}
}
