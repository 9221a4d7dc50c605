package smart

import (
	"slices"
	"strings"

	"github.com/xinglin-health/xinglin/internal/access"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// plain are the scopes that say nothing of resources.
var plain = []string{"openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter", "offline_access", "online_access"}

// grant is a scope of resources: patient/Observation.rs.
type grant struct{ context, typ, letters string }

func (g grant) String() string { return g.context + "/" + g.typ + "." + g.letters }

// readGrant understands patient/, user/ and system/ scopes of version 1 and 2. Those with a query part are not
// understood: what could not be enforced is not granted.
func readGrant(s string) (g grant, ok bool) {
	g.context, _, _ = strings.Cut(s, "/")
	if g.context != "patient" && g.context != "user" && g.context != "system" || strings.Contains(s, "?") {
		return g, false
	}
	g.typ, g.letters, ok = access.ParseScope(s)
	if !ok || g.typ != "*" && !spec.IsResource(g.typ) {
		return g, false
	}
	at := 0 // the letters come in this order, each once
	for _, l := range g.letters {
		next := strings.IndexRune("cruds"[at:], l)
		if next < 0 {
			return g, false
		}
		at += next + 1
	}
	return g, true
}

// known says whether a scope can be registered.
func known(s string) bool {
	_, ok := readGrant(s)
	return ok || slices.Contains(plain, s)
}

// meet is what of a wanted scope lies within the allowed ones; as it was written when that is all of it.
func meet(allowed []string, want string) []string {
	if slices.Contains(plain, want) {
		if slices.Contains(allowed, want) {
			return []string{want}
		}
		return nil
	}
	w, ok := readGrant(want)
	if !ok {
		return nil
	}
	letters := map[string]string{} // by type
	var types []string
	for _, a := range allowed {
		g, ok := readGrant(a)
		if !ok || g.context != w.context || g.typ != "*" && w.typ != "*" && g.typ != w.typ {
			continue
		}
		typ := g.typ
		if typ == "*" {
			typ = w.typ
		}
		if letters[typ] == "" {
			types = append(types, typ)
		}
		letters[typ] = both(w.letters, letters[typ]+g.letters)
	}
	if letters[w.typ] == w.letters {
		return []string{want}
	}
	var out []string
	slices.Sort(types)
	for _, typ := range slices.Compact(types) {
		if l := both(w.letters, letters[typ]+letters["*"]); l != "" && (typ == "*" || l != letters["*"]) {
			out = append(out, grant{w.context, typ, l}.String())
		}
	}
	return out
}

// both are the letters of a that b has, too.
func both(a, b string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(b, r) {
			return r
		}
		return -1
	}, a)
}

// covers says whether a scope lies within the allowed ones as a whole; it is fosite's strategy of scopes.
func covers(allowed []string, want string) bool {
	got := meet(allowed, want)
	return len(got) == 1 && got[0] == want
}

// offer narrows what an app asks for a person to what it is registered for; refused is what falls away.
func offer(allowed, asked []string) (offered, refused []string) {
	for _, s := range asked {
		got := meet(allowed, s)
		if strings.HasPrefix(s, "system/") {
			got = nil
		}
		if len(got) != 1 || got[0] != s {
			refused = append(refused, s)
		}
		for _, g := range got {
			if !slices.Contains(offered, g) {
				offered = append(offered, g)
			}
		}
	}
	return offered, refused
}

func has(scopes []string, context string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return strings.HasPrefix(s, context+"/") })
}
