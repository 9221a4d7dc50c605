package index

import (
	"time"

	"github.com/xinglin-health/xinglin/internal/fhir"
)

// Extract lists the index rows of a resource; zone is that of dates without one.
func Extract(n *fhir.Node, zone *time.Location) []Entry { return nil }

// Home is the patient whom a resource is about, "Patient/x"; "" when there is none.
func Home(n *fhir.Node) string { return "" }

// Compartments lists all patients in whose compartments a resource is, each once;
// a Patient is in its own only.
func Compartments(n *fhir.Node) []string { return nil }
