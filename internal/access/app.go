package access

import (
	"slices"
	"strings"
)

// Narrow makes the caller of a person into that of an app which acts for him: no more than the scopes say,
// and with a patient nothing of anybody else's, whatever the scopes are. Call it after every Settle.
func (c *Caller) Narrow(app string, scopes []string, patient string) {
	c.Client, c.Scopes = app, scopes
	if types := ReadableTypes(c.ofContext()); c.Scope.Types == nil {
		c.Scope.Types = types
	} else if types != nil {
		c.Scope.Types = slices.DeleteFunc(slices.Clone(c.Scope.Types), func(t string) bool { return !slices.Contains(types, t) })
	}
	if patient != "" {
		if c.Scope.Only != nil && !slices.Contains(c.Scope.Only, patient) {
			c.Scope.Only = []string{} // not one of his own
		} else {
			c.Scope.Only = []string{patient}
		}
	}
}

// Delegated says whether an app asks for a person, not the person himself and not a program by its own right.
func (c *Caller) Delegated() bool { return c.Client != "" && c.Role != Program }

// ofContext lists the scopes that count for this caller: system/ for programs, patient/ and user/ for who is acted for.
func (c *Caller) ofContext() (list []string) {
	for _, s := range c.Scopes {
		context, _, _ := strings.Cut(s, "/")
		if c.Role == Program && context == "system" || c.Role != Program && (context == "patient" || context == "user") {
			list = append(list, s)
		}
	}
	return list
}

// granted says whether a scope lets the caller do one of c r u d s to resources of a type.
func (c *Caller) granted(letter byte, typ string) bool {
	for _, s := range c.ofContext() {
		if t, letters, ok := ParseScope(s); ok && (t == "*" || t == typ) && strings.IndexByte(letters, letter) >= 0 {
			return true
		}
	}
	return false
}

// never are the types that no app touches for a person: what a Subscription tells goes on when the app's own time is over.
var never = []string{"Subscription"}
