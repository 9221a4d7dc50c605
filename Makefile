# 杏林 Xinglin. `make demo` is the first thing to try, `make test` the last before a commit lands.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build page demo demo-reset test test-race check bench bench-scale bench-match bench-persons bench-booking gen fuzz e2e clean

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO_BUILD := go build -ldflags "-X github.com/xinglin-health/xinglin/internal/server.Version=$(VERSION)"
DEMO ?= data/demo
LISTEN ?= 127.0.0.1:8080

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

build: page ## the page and bin/xinglin
	@mkdir -p bin
	$(GO_BUILD) -o bin/xinglin ./cmd/xinglin

page: ## only the page, into web/dist, where the program embeds it
	@scripts/page

demo: build ## a made-up region on http://127.0.0.1:8080, with its accounts (LISTEN=, DEMO=folder)
	@bin/xinglin demo --data $(DEMO) --listen $(LISTEN)

demo-reset: build ## forget the demo's data and make it anew
	@rm -rf $(DEMO)
	@bin/xinglin demo --data $(DEMO) --listen $(LISTEN)

test: ## everything that CI runs: both databases, linters, page, stories, browser
	@scripts/test

test-race: ## every package, then the stories, under the race detector, on both databases (long)
	@scripts/race

check: ## quick look before a commit: format, vet, arch, page types
	@scripts/check

bench-scale: ## import, reads and searches at 200 thousand, 1 and 5 million resources (long; SIZES=, OUT=)
	@scripts/bench-scale $(SIZES)

bench-match: ## xinglin match on made-up populations: time, memory, quality (N="100000 1000000", SEED=, OUT=)
	@scripts/bench-match $(N)

bench-persons: ## the live index filled through the store: match and link latency at each size (N="100000 1000000"; both databases)
	@XINGLIN_BENCH_PERSONS="$(or $(N),100000 1000000)" scripts/postgres go test -run TestPersonsAtScale -v -timeout 4h ./internal/empi/people/

bench-booking: ## 64 clients on 100 beds: decisions/s on a whole hub, none twice (N=100000; both databases, a twentieth on PostgreSQL)
	@XINGLIN_BENCH_BOOKING="$(or $(N),100000)" scripts/postgres go test -count=1 -run TestBookingLoad -v -timeout 1h ./internal/hubtest/ | grep -v '^=== '

bench: build ## the parts in docs/benchmarks.md, on both databases (xinglin bench measures over HTTP)
	@scripts/postgres go test -run '^$$' -bench . -benchtime 2s ./internal/store/ ./internal/rest/ ./internal/audit/ ./internal/api/ ./internal/fhir/validate/ ./lines/

gen: ## tables that are derived from published definitions (needs them; see the generators' docs)
	@go generate ./...

fuzz: ## every fuzz target for a minute each (FUZZTIME=)
	@scripts/fuzz

e2e: build ## stories and browser tests only, over the real binary
	@scripts/e2e

clean: ## what was built; data stays
	rm -rf bin node_modules test-results .cache
	find web/dist -mindepth 1 ! -name .gitkeep -delete
