package store

import (
	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
)

// fullText names the parameters that search all that is written.
func fullText(name string) bool { return name == "_text" || name == "_content" }

func noWords(name string) error {
	return fhir.Refuse(400, "not-supported", "full-text-off", name+" needs the full-text index, which is off", name+" 需要全文索引，本系统未启用")
}

func (f *finder) words(q *sql, c *search.Clause, r string) error { return noWords(special(c)) }

func (f *finder) wordSet(pl *plan, c *search.Clause) (*sql, bool, error) {
	return nil, false, noWords(special(c))
}
