package rest

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/http"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

// wantsContent says whether a read of a Binary asks for its content: FHIR's own types are not among those accepted.
func wantsContent(r *http.Request, query []search.Param) bool {
	for _, p := range query {
		if p.Name == "_format" && p.Value != "" {
			return false
		}
	}
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if part = strings.TrimSpace(part); part != "" && isJSON(part) {
			return false
		}
	}
	return true
}

// takesContent says whether a write of a Binary brings its content instead of a resource.
func takesContent(c *call, contentType string) bool {
	return c.typ == "Binary" && (c.what == "create" || c.what == "update") && contentType != "" && !isJSON(contentType)
}

// wrap makes a Binary of content that was sent as it is.
func (c *call) wrap(r *http.Request, data []byte) error {
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return fhir.Refuse(http.StatusUnsupportedMediaType, "not-supported", "format-unsupported", "Content-Type is no media type", "Content-Type 不正确")
	}
	c.body = fhir.New("Binary", "id", c.id, "contentType", mime.FormatMediaType(media, parameters),
		"securityContext", fhir.Ref(strings.TrimPrefix(r.Header.Get("X-Security-Context"), c.base+"/"), ""), "data", base64.StdEncoding.EncodeToString(data))
	c.raw = append([]byte(r.Header.Get("Content-Type")+"\n"+r.Header.Get("X-Security-Context")+"\n"), data...)
	return nil
}

// inContext refuses a Binary to who may not see what it belongs to. A patient is its home, and asked with every search.
func (s *server) inContext(c *call, v store.Version) error {
	if v.Type != "Binary" || c.scope.All || !bytes.Contains(v.JSON, []byte(`"securityContext"`)) {
		return nil
	}
	n, err := fhir.Parse(v.JSON)
	if err != nil {
		return err
	}
	typ, id, ok := localReference(n.Str("securityContext.reference"))
	if !ok {
		return nil
	}
	scope := c.scope
	scope.Types = nil
	return s.Store.View(c.ctx, func(tx *store.Tx) error {
		seen, err := tx.Sees(c.ctx, scope, typ, []string{id})
		if err == nil && !seen[id] {
			err = store.ErrNotFound
		}
		return err
	})
}

// content answers with what a Binary holds, so that no browser runs it as a page of ours.
func (c *call) content(r *http.Request, a *answer) error {
	if a.status != http.StatusOK {
		return nil
	}
	n, err := fhir.Parse(a.version.JSON)
	if err != nil {
		return err
	}
	kind := n.Str("contentType")
	if !accepts(r.Header.Values("Accept"), kind) {
		return fhir.Refuse(http.StatusNotAcceptable, "not-supported", "format-unsupported", "the content is "+kind+"; accept that, or application/fhir+json", "内容类型为 "+kind)
	}
	data, err := base64.StdEncoding.DecodeString(n.Str("data"))
	if err != nil {
		return fhir.Refuse(http.StatusInternalServerError, "exception", "bad-base64", "the stored data is not base64", "保存的内容不是有效的 base64")
	}
	head := c.method == http.MethodHead
	context := n.Str("securityContext.reference")
	a.body, a.raw = nil, func(w http.ResponseWriter) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		h.Set("Content-Disposition", "attachment")
		if context != "" {
			h.Set("X-Security-Context", context)
		}
		w.WriteHeader(http.StatusOK)
		if !head {
			w.Write(data)
		}
	}
	return nil
}

// accepts says whether an Accept header lets a media type through.
func accepts(header []string, kind string) bool {
	if len(header) == 0 {
		return true
	}
	media, _, _ := mime.ParseMediaType(kind)
	group, _, _ := strings.Cut(media, "/")
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		wanted, parameters, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err == nil && parameters["q"] != "0" && (wanted == "*/*" || wanted == media || wanted == group+"/*") {
			return true
		}
	}
	return false
}
