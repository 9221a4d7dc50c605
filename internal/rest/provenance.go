package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/store"
)

// provenanceOf reads the header X-Provenance: a Provenance without target, nil when none was sent.
func provenanceOf(header string) (*fhir.Node, error) {
	if header == "" {
		return nil, nil
	}
	n, err := fhir.Parse([]byte(header))
	if err == nil && (n.Type() != "Provenance" || n.Child("target") != nil) {
		err = fhir.Refuse(http.StatusBadRequest, "invalid", "bad-provenance", "X-Provenance is a Provenance without target: the target is what this request writes", "X-Provenance 应为不含 target 的 Provenance")
	}
	return n, err
}

// follow lets a Provenance be written with the others, about what they have become.
func (u *unit) follow(provenance *fhir.Node) {
	if provenance == nil {
		return
	}
	n := provenance.Copy()
	n.Set("target", fhir.Arr{fhir.Obj{"reference", "#"}}) // until the versions are known
	u.changes = append(u.changes, &change{method: "POST", typ: "Provenance", node: n, follows: true})
}

// about sets the target of a Provenance to what has been written.
func (ch *change) about(ctx context.Context, b *Bundles, written []store.Version) error {
	target := fhir.Arr{}
	for _, v := range written {
		target = append(target, fhir.Obj{"reference", fmt.Sprintf("%s/%s/_history/%d", v.Type, v.ID, v.VID)})
	}
	ch.work.Set("target", target)
	var err error
	ch.put.Resource, err = b.Store.Prepare(ch.work)
	return err
}

// asked are the changes that a request names itself.
func (u *unit) asked() []*change {
	if n := len(u.changes); n > 0 && u.changes[n-1].follows {
		return u.changes[:n-1]
	}
	return u.changes
}
