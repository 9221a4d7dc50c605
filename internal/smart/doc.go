// Package smart lets apps in for people and programs: this hub as authorisation server of SMART on FHIR.
package smart
