package profile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/profile"
)

// Whatever a definition and a resource say, a check ends, soon, with words for each issue.
func FuzzCheck(f *testing.F) {
	const patient = `{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"x"}]}],"link":[{"type":"seealso","other":{"reference":"#p"}}],"contained":[{"resourceType":"Patient","id":"p"}]}`
	f.Add(`{"resourceType":"StructureDefinition","url":"http://x","type":"Patient","derivation":"constraint","differential":{"element":[{"id":"Patient.name:a","path":"Patient.name","sliceName":"a","min":1},{"path":"Patient.name","slicing":{"discriminator":[{"type":"value","path":"extension('http://u').value.ofType(code)"}],"rules":"closed"}}]}}`, patient)
	f.Add(`{"resourceType":"StructureDefinition","url":"http://x","type":"Patient","derivation":"constraint","snapshot":{"element":[{"path":"Patient"},{"path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["http://x"]}]}]}}`, patient)
	f.Add(`{"resourceType":"StructureDefinition","url":"http://x","type":"Extension","derivation":"constraint","baseDefinition":"http://x","differential":{"element":[{"path":"Extension.extension","sliceName":"a/b/c","contentReference":"#Extension.extension"}]}}`, `{"resourceType":"Basic","extension":[{"url":"http://x","extension":[{"url":"http://x"}]}]}`)
	f.Add(`{"resourceType":"StructureDefinition","url":"http://x","type":"Bundle","derivation":"constraint","differential":{"element":[{"path":"Bundle.entry","slicing":{"discriminator":[{"type":"profile","path":"resource"},{"type":"exists","path":"fullUrl"}],"ordered":true}},{"id":"Bundle.entry:a","path":"Bundle.entry","sliceName":"a"},{"id":"Bundle.entry:a.resource","path":"Bundle.entry.resource","type":[{"code":"Patient","profile":["http://x","http://y"]}]}]}}`, `{"resourceType":"Bundle","entry":[{"resource":`+patient+`},{"fullUrl":"urn:x"}]}`)
	f.Fuzz(func(t *testing.T, definition, resource string) {
		d, err := fhir.Parse([]byte(definition))
		if err != nil || d.Type() != "StructureDefinition" {
			return
		}
		n, err := fhir.Parse([]byte(resource))
		if err != nil {
			return
		}
		s := newShelf(d)
		began := time.Now()
		for _, i := range profile.Check(n, s, profile.Options{Rules: true, References: "warning", Profiles: []string{d.Str("url")}, Until: began.Add(2 * time.Second)}) {
			if i.Text == "" || i.Zh == "" || i.Severity == "" || i.Code == "" || strings.Contains(i.Expression, "..") {
				t.Errorf("an issue without words: %+v", i)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
