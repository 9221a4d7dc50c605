package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/store"
)

func etag(vid int64) string { return `W/"` + strconv.FormatInt(vid, 10) + `"` }

// readETag returns the version of W/"3", "3" or 3.
func readETag(s string) (int64, bool) {
	s = strings.Trim(strings.TrimPrefix(strings.TrimSpace(s), "W/"), `"`)
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0
}

func (s *server) read(c *call) (*answer, error) {
	if err := c.may(mayRead, c.typ); err != nil {
		return nil, err
	}
	v, err := s.Store.Read(c.ctx, c.scope, c.typ, c.id)
	if err == nil {
		err = s.inContext(c, v)
	}
	if err == nil && v.Linked {
		v, err = s.readLinked(c, v)
	}
	if err != nil {
		return nil, err
	}
	return c.show(v)
}

// show answers with one stored version, or 304 when the client has it already.
func (c *call) show(v store.Version) (*answer, error) {
	entry := c.entry("R", target(v.Type, v.ID))
	entry.Patients, entry.Count = patients(v), 1
	a := &answer{status: http.StatusOK, version: &v, audit: &entry, body: v.JSON}
	if c.fresh(v) {
		a.status, a.body = http.StatusNotModified, nil
		return a, nil
	}
	summary, elements, err := presentation(c.query)
	if err != nil {
		return nil, err
	}
	if summary != "" || len(elements) > 0 {
		if a.body, err = subset(v.JSON, summary, elements); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (c *call) fresh(v store.Version) bool {
	if c.ifNone != "" {
		for tag := range strings.SplitSeq(c.ifNone, ",") {
			if vid, ok := readETag(tag); (ok && vid == v.VID) || strings.TrimSpace(tag) == "*" {
				return true
			}
		}
		return false
	}
	if c.ifSince != "" {
		since, err := http.ParseTime(c.ifSince)
		if err != nil {
			since, err = time.Parse(time.RFC3339, c.ifSince) // bundle entries carry an instant
		}
		return err == nil && !v.Updated.Truncate(time.Second).After(since)
	}
	return false
}

// presentation reads _summary and _elements of a read.
func presentation(query []search.Param) (summary string, elements []string, err error) {
	for _, p := range query {
		switch p.Name {
		case "_summary":
			switch p.Value {
			case "true", "text", "data":
				summary = p.Value
			case "false", "":
			default:
				return "", nil, fhir.Refuse(http.StatusBadRequest, "value", "bad-summary", "_summary of a read is true, text, data or false", "_summary 只能是 true、text、data 或 false")
			}
		case "_elements":
			for e := range strings.SplitSeq(p.Value, ",") {
				if e = strings.TrimSpace(e); e != "" {
					elements = append(elements, e)
				}
			}
		}
	}
	return summary, elements, nil
}

// patients lists the patients whose data these versions show.
func patients(versions ...store.Version) []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range versions {
		home := v.Home
		if home == "" && v.Type == "Patient" {
			home = "Patient/" + v.ID
		}
		if home != "" && !seen[home] {
			seen[home] = true
			out = append(out, home)
		}
	}
	return out
}
