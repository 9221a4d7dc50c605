// Package api is what the page needs beside FHIR: login, lines, live notices.
package api
