package fhir

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxString is the longest string in characters that FHIR allows.
const MaxString = 1024 * 1024

// PrimitiveKind is the JSON kind in which a primitive datatype is written; Null for an unknown type.
func PrimitiveKind(datatype string) Kind {
	switch datatype {
	case "boolean":
		return Bool
	case "integer", "unsignedInt", "positiveInt", "decimal":
		return Number
	case "string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown", "base64Binary", "date", "dateTime", "instant", "time", "xhtml":
		return String
	}
	return Null
}

// IsPrimitive reports whether text is well formed for the primitive datatype.
func IsPrimitive(datatype, text string) bool {
	switch datatype {
	case "string", "markdown":
		return isString(text)
	case "code":
		return isCode(text)
	case "uri", "url", "canonical":
		return isURI(text)
	case "dateTime":
		return IsDateTime(text)
	case "date":
		return IsDate(text)
	case "instant":
		return IsInstant(text)
	case "time":
		return IsTime(text)
	case "id":
		return IsID(text)
	case "boolean":
		return text == "true" || text == "false"
	case "integer":
		return isInteger(text, -1<<31)
	case "unsignedInt":
		return isInteger(text, 0)
	case "positiveInt":
		return isInteger(text, 1)
	case "decimal":
		return IsDecimal(text) && len(text) <= 64
	case "base64Binary":
		return isBase64(text)
	case "oid":
		return strings.HasPrefix(text, "urn:oid:") && isOID(text[len("urn:oid:"):])
	case "uuid":
		return strings.HasPrefix(text, "urn:uuid:") && IsUUID(text[len("urn:uuid:"):])
	case "xhtml":
		return text != ""
	}
	return false
}

// isString: not empty, not only white space, no control characters but tab and line ends.
func isString(s string) bool {
	blank := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c > ' ' {
			blank = false
		} else if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return !blank && (len(s) <= MaxString || utf8.RuneCountInString(s) <= MaxString)
}

// isCode: no white space at either end, single spaces inside.
func isCode(s string) bool {
	if s == "" {
		return false
	}
	space := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space
}

func isURI(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' {
			return false
		}
	}
	return s != ""
}

func isInteger(s string, least int64) bool {
	if s == "-0" || strings.ContainsAny(s, ".eE+") {
		return false
	}
	v, err := strconv.ParseInt(s, 10, 32)
	return err == nil && v >= least
}

func isBase64(s string) bool {
	n, pad := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		case c == '=':
			pad++
			n++
		case pad > 0 || !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/'):
			return false
		default:
			n++
		}
	}
	return n > 0 && n%4 == 0 && pad <= 2
}
