package index

import (
	"slices"
	"sync"

	"github.com/xinglin-health/xinglin/internal/fhir"
	"github.com/xinglin-health/xinglin/internal/fhir/spec"
)

// about are the parameters that name whom a resource is about; the others of a compartment name who took part.
var about = []string{"patient", "subject", "beneficiary", "individual"}

// alsoAbout are types that R4 leaves out of the Patient compartment, though they can be about one.
var alsoAbout = map[string][]string{"Contract": {"patient"}, "Device": {"patient"}, "GuidanceResponse": {"patient"}}

type circle struct{ about, part *branch }

var circles sync.Map // resource type → *circle

func circleOf(resourceType string) *circle {
	if c, ok := circles.Load(resourceType); ok {
		return c.(*circle)
	}
	first, others := &program{root: &branch{}}, &program{root: &branch{}}
	for _, code := range append(slices.Clone(spec.CompartmentParams(resourceType)), alsoAbout[resourceType]...) {
		param := spec.Lookup(resourceType, code)
		if param == nil {
			continue
		}
		if slices.Contains(about, code) {
			first.add(param)
		} else {
			others.add(param)
		}
	}
	first.root.prune()
	others.root.prune()
	got, _ := circles.LoadOrStore(resourceType, &circle{first.root, others.root})
	return got.(*circle)
}

func patientsAt(b *branch, n *fhir.Node) []string {
	var r []string
	x := walk{}
	x.visit(b, n)
	for _, e := range x.entries {
		if e.RefType == "Patient" && !slices.Contains(r, "Patient/"+e.RefID) {
			r = append(r, "Patient/"+e.RefID)
		}
	}
	return r
}

// contextOf is the patient under whose access a Binary stands, "" for another context or none.
func contextOf(binary *fhir.Node) string {
	r, ok := fhir.ParseReference(binary.Str("securityContext.reference"))
	if !ok || r.Type != "Patient" || r.Base != "" {
		return ""
	}
	return "Patient/" + r.ID
}

// Home is the patient whom a resource is about, "Patient/x": the subject, or the only
// participant when it has none. "" for the others.
func Home(n *fhir.Node) string {
	typ := n.Type()
	if typ == "Patient" {
		if n.ID() == "" {
			return ""
		}
		return "Patient/" + n.ID()
	}
	if typ == "Binary" {
		return contextOf(n)
	}
	if !spec.IsResource(typ) {
		return ""
	}
	c := circleOf(typ)
	if p := patientsAt(c.about, n); len(p) > 0 {
		return p[0]
	}
	if p := patientsAt(c.part, n); len(p) == 1 {
		return p[0]
	}
	return ""
}

// Compartments lists all patients in whose compartments a resource is, each once, the
// subject first; a Patient is in its own only: a link to another record opens neither.
func Compartments(n *fhir.Node) []string {
	typ := n.Type()
	if typ == "Patient" || typ == "Binary" || !spec.IsResource(typ) {
		if h := Home(n); h != "" {
			return []string{h}
		}
		return nil
	}
	c := circleOf(typ)
	r := patientsAt(c.about, n)
	for _, p := range patientsAt(c.part, n) {
		if !slices.Contains(r, p) {
			r = append(r, p)
		}
	}
	return r
}
