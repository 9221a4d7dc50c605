package rest_test

import (
	"testing"

	"github.com/xinglin-health/xinglin/internal/fhir/search"
	"github.com/xinglin-health/xinglin/internal/rest"
	"github.com/xinglin-health/xinglin/internal/store"
)

func TestCustodianIsTheCredentialsOwnOrganisationOrOneBeneathIt(t *testing.T) {
	h := newHub(t)
	h.options.Within = func(org, top string) bool {
		return top == "" || org == top || org == "Organization/branch" && top == "Organization/county"
	}
	h.handler = rest.New(h.options)
	h.put(system, `{"resourceType":"Organization","id":"branch","partOf":{"reference":"Organization/county"}}`)
	for _, c := range []struct{ name, manager, want string }{
		{"no field", "", "Organization/county"},
		{"its own branch", "Organization/branch", "Organization/branch"},
		{"another hospital", "Organization/elsewhere", "Organization/county"},
	} {
		body := `{"resourceType":"Patient","name":[{"text":"测试"}]}`
		if c.manager != "" {
			body = `{"resourceType":"Patient","name":[{"text":"测试"}],"managingOrganization":{"reference":"` + c.manager + `"}}`
		}
		id := h.want(201, program("system/*.cruds"), "POST", "/Patient", body).node.ID()
		err := h.store.View(t.Context(), func(tx *store.Tx) error {
			v, err := tx.Read(t.Context(), search.Everything, "Patient", id)
			if v.Custodian != c.want {
				t.Errorf("%s: got custodian %q; want %q", c.name, v.Custodian, c.want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
