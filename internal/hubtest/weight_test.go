package hubtest_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	. "github.com/xinglin-health/xinglin/internal/hubtest"
)

// What a page reads again and again is small: lines come once, counts and notices without what is known already.
func TestAPageThatAsksAgainIsToldLittle(t *testing.T) {
	h := New(t)
	first := h.Call(CountyOffice, "GET", "/api/lines?counts=false", "", "Accept-Encoding", "gzip")
	tag := first.Header.Get("ETag")
	if first.Status != 200 || tag == "" || first.Header.Get("Content-Encoding") != "gzip" || len(first.Body) > 40_000 {
		t.Fatalf("lines: %d, tag %q, %q, %d bytes; want a tagged packed answer", first.Status, tag, first.Header.Get("Content-Encoding"), len(first.Body))
	}
	z, err := gzip.NewReader(bytes.NewReader(first.Body))
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := io.ReadAll(z)
	if !bytes.Contains(plain, []byte(`"slug":"referral"`)) || bytes.Contains(plain, []byte(`"counts"`)) {
		t.Errorf("want lines without counts: %.200s", plain)
	}
	h.Run([]Scenario{
		{Name: "who holds the lines is told so", As: CountyOffice, URL: "/api/lines?counts=false", Header: []string{"If-None-Match", tag}, Status: 304},
		{Name: "another role has other lines", As: Administrator, URL: "/api/lines?counts=false", Header: []string{"If-None-Match", tag}, Status: 200, NotContent: []string{`"slug":"unknown"`}},
		{Name: "nobody gets none, whatever he holds", URL: "/api/lines?counts=false", Header: []string{"If-None-Match", tag}, Status: 401},
		{Name: "with counts as before", As: CountyOffice, URL: "/api/lines", Status: 200, Content: []string{`"counts":{"waiting":`}},
		{Name: "only how many are unread", As: CountyOffice, URL: "/api/notices?count=0", Status: 200, Content: []string{`"notices":[]`, `"unread":`}},
		{Name: "nobody counts", URL: "/api/counts", Status: 401},
	})

	var lines []struct {
		Slug   string
		Counts map[string]int
	}
	h.Call(CountyOffice, "GET", "/api/lines", "").JSON(t, &lines)
	var counts map[string]map[string]int
	h.Call(CountyOffice, "GET", "/api/counts", "").JSON(t, &counts)
	for _, l := range lines {
		for what, n := range l.Counts {
			if counts[l.Slug][what] != n {
				t.Errorf("%s %s: got %d; want %d", l.Slug, what, counts[l.Slug][what], n)
			}
		}
	}
	if got := h.Call(CountyOffice, "GET", "/api/me", "", "Accept-Encoding", "gzip").Header.Get("Content-Encoding"); got != "" {
		t.Errorf("a small answer goes out %q; want as it is", got)
	}
	if !strings.Contains(first.Header.Get("Cache-Control"), "no-cache") {
		t.Errorf("got Cache-Control %q; want kept and asked about", first.Header.Get("Cache-Control"))
	}
}
