package fhir

import "strings"

// Reference is Reference.reference taken apart.
type Reference struct {
	Base      string // "https://other.example/fhir" of an absolute URL of a resource, "" for relative ones
	Type, ID  string // of a literal reference to a resource, "" for the others
	Version   string // after /_history/
	Fragment  string // after #: a contained resource; "" with Contained is the container itself
	URL       string // urn:uuid:…, urn:oid:… or an absolute URL that names no resource
	Contained bool
}

// ParseReference reads relative (Patient/1), versioned, absolute, urn: and contained (#p) references;
// false when the form is none of these.
func ParseReference(s string) (Reference, bool) {
	var r Reference
	switch {
	case s == "" || strings.ContainsAny(s, " \t\r\n<>\"\\"):
		return r, false
	case s[0] == '#':
		r.Contained, r.Fragment = true, s[1:]
		return r, r.Fragment == "" || IsID(r.Fragment)
	case strings.HasPrefix(s, "urn:"):
		r.URL = s
		return r, isURN(s)
	}
	rest := s
	if i := strings.IndexByte(s, '#'); i >= 0 {
		rest, r.Fragment = s[:i], s[i+1:]
	}
	absolute := schemeLen(rest) > 0
	path := rest
	if i := strings.LastIndex(path, "/_history/"); i >= 0 {
		path, r.Version = path[:i], path[i+len("/_history/"):]
	}
	id := strings.LastIndexByte(path, '/')
	if id > 0 {
		head := path[:id]
		typ := strings.LastIndexByte(head, '/')
		if IsID(path[id+1:]) && isTypeName(head[typ+1:]) && (r.Version == "" || IsID(r.Version)) {
			if typ < 0 {
				r.Type, r.ID = head, path[id+1:]
				return r, true
			}
			if absolute && typ > schemeLen(rest)+2 {
				r.Base, r.Type, r.ID = head[:typ], head[typ+1:], path[id+1:]
				return r, true
			}
		}
	}
	r.Version = ""
	if absolute {
		r.URL = s
		return r, true
	}
	return r, false
}

// Literal is the reference without base, version and fragment: "Patient/1", or its URL.
func (r Reference) Literal() string {
	if r.Type != "" {
		return r.Type + "/" + r.ID
	}
	return r.URL
}

// SplitCanonical takes url|version#fragment apart.
func SplitCanonical(s string) (url, version, fragment string) {
	s, fragment, _ = strings.Cut(s, "#")
	url, version, _ = strings.Cut(s, "|")
	return url, version, fragment
}

// IsID reports whether s may be a resource's logical id.
func IsID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

func isTypeName(s string) bool {
	if len(s) < 2 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// schemeLen is the length of "https" in "https://…", 0 when s is not absolute.
func schemeLen(s string) int {
	i := strings.IndexByte(s, ':')
	if i < 1 || s[0]|0x20 < 'a' || s[0]|0x20 > 'z' || !strings.HasPrefix(s[i:], "://") {
		return 0
	}
	return i
}

func isURN(s string) bool {
	switch {
	case strings.HasPrefix(s, "urn:uuid:"):
		return IsUUID(s[len("urn:uuid:"):])
	case strings.HasPrefix(s, "urn:oid:"):
		return isOID(s[len("urn:oid:"):])
	}
	return len(s) > len("urn:")
}

// IsUUID reports whether s is 8-4-4-4-12 hexadecimal digits.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < 36; i++ {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
			return false
		}
	}
	return true
}

func isOID(s string) bool {
	if s == "" || s[0] < '0' || s[0] > '2' || !strings.Contains(s, ".") {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || len(part) > 1 && part[0] == '0' {
			return false
		}
		if run(part, 0) != len(part) {
			return false
		}
	}
	return true
}
