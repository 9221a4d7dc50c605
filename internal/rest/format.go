package rest

import (
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

func isJSON(media string) bool {
	media, parameters, err := mime.ParseMediaType(strings.Replace(media, " json", "+json", 1)) // _format=application/fhir+json arrives with a space
	if err != nil {
		return false
	}
	if v := parameters["fhirversion"]; v != "" && v != "4.0" && v != "4.0.1" {
		return false
	}
	switch media {
	case "application/fhir+json", "application/json", "text/json", "json", "application/json+fhir":
		return true
	}
	return false
}

// checkAccept refuses an answer format other than JSON.
func checkAccept(r *http.Request, query []search.Param) error {
	for _, p := range query {
		if p.Name == "_format" && p.Value != "" {
			if isJSON(p.Value) {
				return nil
			}
			return notAcceptable()
		}
	}
	accept := r.Header.Values("Accept")
	if len(accept) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		part = strings.TrimSpace(part)
		media, _, _ := strings.Cut(part, ";")
		media = strings.TrimSpace(media)
		if media == "*/*" || media == "application/*" || media == "" || isJSON(part) {
			return nil
		}
	}
	return notAcceptable()
}

func notAcceptable() error {
	return fhir.Refuse(http.StatusNotAcceptable, "not-supported", "format-unsupported", "answers are JSON (application/fhir+json) only", "仅支持 JSON 格式（application/fhir+json）")
}

// readBody reads and parses what a writing request carries.
func (s *server) readBody(c *call, r *http.Request) error {
	if c.method != http.MethodPost && c.method != http.MethodPut && c.method != http.MethodPatch {
		return nil
	}
	limit := s.MaxBody
	if c.what == "bundle" {
		limit = s.MaxBundle
	}
	if r.ContentLength > limit {
		return tooLarge()
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return fhir.Refuse(http.StatusBadRequest, "structure", "bad-gzip", "the body is not gzip as Content-Encoding says", "正文不是有效的 gzip")
		}
		body = z
	} else if r.Header.Get("Content-Encoding") != "" {
		return fhir.Refuse(http.StatusUnsupportedMediaType, "not-supported", "encoding-unsupported", "Content-Encoding is gzip or none", "正文只能用 gzip 压缩或不压缩")
	}
	data, err := s.readAll(c, body, limit, r.ContentLength)
	if err != nil {
		return err
	}
	if strings.HasPrefix(c.what, "search-") {
		return s.readForm(c, r, data)
	}
	if len(data) == 0 {
		if c.operator != nil {
			return nil
		}
		return fhir.Refuse(http.StatusBadRequest, "required", "empty-body", "the body is empty; a resource is expected", "没有提交内容")
	}
	if c.method == http.MethodPatch {
		return c.readPatch(r.Header.Get("Content-Type"), data)
	}
	if takesContent(c, r.Header.Get("Content-Type")) {
		return c.wrap(r, data)
	}
	if ct := r.Header.Get("Content-Type"); ct != "" && !isJSON(ct) {
		return fhir.Refuse(http.StatusUnsupportedMediaType, "not-supported", "format-unsupported", "send JSON (application/fhir+json)", "请以 JSON 提交（application/fhir+json）")
	}
	c.raw = data
	c.body, err = fhir.Parse(data)
	return err
}

// readForm adds the parameters of POST _search.
func (s *server) readForm(c *call, r *http.Request, data []byte) error {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(data) > 0 && media != "application/x-www-form-urlencoded" {
		return fhir.Refuse(http.StatusUnsupportedMediaType, "not-supported", "format-unsupported", "POST _search takes application/x-www-form-urlencoded", "POST _search 应以表单格式提交")
	}
	more, err := search.ParseQuery(string(data))
	if err != nil {
		return err
	}
	c.query = append(c.query, more...)
	return checkAccept(r, more)
}
