// Package validate checks a resource against the structure that FHIR R4 defines.
package validate
