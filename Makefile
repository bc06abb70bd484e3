# Everything here also works without make: each target is a command or two.

GO ?= go
FUZZTIME ?= 20s
MINUTES ?= 60

.PHONY: build test test-long test-endurance test-faults race vet fuzz cross bench influxd promtool web screenshots packages install-test reproducible sbom vuln check

build: ## the binary, for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -o perigee ./cmd/perigee

test: ## what the README promises
	$(GO) test ./...

test-long: ## the calibrations and simulations that take minutes
	.ci/long

test-endurance: ## an hour of the program with everything on; fails if what it takes grows
	.ci/endurance $(MINUTES)

test-faults: ## lets 300 faults befall real daemons: 20 minutes, see docs/reliability.md
	.ci/faults

race:
	$(GO) test -race -shuffle=on ./...

vet:
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

fuzz: ## each decoder for FUZZTIME
	.ci/fuzz $(FUZZTIME)

cross: ## every system that is promised
	.ci/cross

bench: ## prints ratios against named references
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

influxd: ## the InfluxDB server that tests of storage/influx need
	.ci/influxd

promtool: ## the tool that checks deploy/prometheus
	.ci/promtool

web: ## what is served of the page, from its sources; needs node and npm
	cd dashboards/web && npm ci --ignore-scripts && node build.mjs

screenshots: ## the pictures of the docs, of the demo after a quarter of an hour
	.ci/browser && PERIGEE_PICTURES=$(CURDIR)/docs/pictures $(GO) test -count=1 -timeout 40m -run TestPictures -v ./dashboards

packages: ## Debian and RPM packages of the last commit, into dist/
	.ci/packages dist

install-test: ## installs, starts, upgrades and removes them in a clean Debian; needs root
	.ci/install-test

reproducible: ## builds the packages twice, in different places, and compares them
	.ci/reproducible

sbom: ## what the program is made of, as CycloneDX, into dist/
	.ci/sbom

vuln: ## asks Go's vulnerability database
	.ci/vuln

check: vet race test
