package rest

import (
	"context"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
	"github.com/xinglin-health/xinglin/internal/store"
)

// linkedByIndex marks a Patient.link that is no part of the record: the index of persons adds it when it is shown.
const linkedByIndex = spec.Canonical + "/StructureDefinition/linked-by-index"

// readLinked shows a Patient with his links, as far as the caller sees them; the version stays what it is.
func (s *server) readLinked(c *call, v store.Version) (store.Version, error) {
	shown := []store.Version{v}
	err := s.Store.View(c.ctx, func(tx *store.Tx) error {
		shown[0] = v
		return showLinks(c.ctx, tx, c.scope, shown)
	})
	return shown[0], err
}

// showLinks adds to the Patients among some versions the links to other records of the same persons.
func showLinks(ctx context.Context, tx *store.Tx, scope search.Scope, versions []store.Version) error {
	var patients []string
	for _, v := range versions {
		if v.Type == "Patient" && v.Inside == "" && v.JSON != nil {
			patients = append(patients, "Patient/"+v.ID)
		}
	}
	if patients == nil {
		return nil
	}
	linked, err := tx.Linked(ctx, scope, patients...)
	if err != nil || len(linked) == 0 {
		return err
	}
	for i, v := range versions {
		if others := linked["Patient/"+v.ID]; v.Type == "Patient" && v.Inside == "" && len(others) > 0 {
			if versions[i].JSON, err = withLinks(v.JSON, others); err != nil {
				return err
			}
		}
	}
	return nil
}

// withLinks adds what the record does not say by itself.
func withLinks(resource []byte, others []string) ([]byte, error) {
	n, err := fhir.Parse(resource)
	if err != nil {
		return nil, err
	}
	said := map[string]bool{}
	for _, l := range n.All("link") {
		said[l.Str("other.reference")] = true
	}
	for _, other := range others {
		if !said[other] {
			n.Add("link", fhir.Obj{"extension", fhir.Arr{fhir.Extension(linkedByIndex, "valueBoolean", true)}, "other", fhir.Obj{"reference", other}, "type", "seealso"})
		}
	}
	return n.JSON(), nil
}

// withoutLinks takes out of a Patient that is written what was added when it was shown: nobody links by writing it back.
func withoutLinks(n *fhir.Node) {
	links := n.All("link")
	if len(links) == 0 {
		return
	}
	own := fhir.Arr{}
	for _, l := range links {
		added := false
		for _, e := range l.All("extension") {
			added = added || e.Str("url") == linkedByIndex
		}
		if !added {
			own = append(own, l)
		}
	}
	switch {
	case len(own) == len(links):
	case len(own) == 0:
		n.Set("link", nil)
	default:
		n.Set("link", own)
	}
}
