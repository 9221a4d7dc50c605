// Package fhir is the grammar of FHIR R4 resources as bytes and trees: values, dates, references, issues, without I/O.
package fhir
