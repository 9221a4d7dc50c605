// Package rest is the FHIR API, one file per interaction.
package rest
