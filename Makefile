# Everything a developer or a CI needs; `make` alone lists the targets.
#
# The modules are those of go.work, so a new module is picked up by `go work use`.
# tools/ is a module outside go.work: the linters' dependencies stay apart from the
# library's.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Extra arguments: make test ARGS='-run Lease', make bench ARGS=-h.
ARGS ?=
# The packages under test. `work` is every package of every module in go.work.
PKG ?= work
# Per package, as go test counts it.
TIMEOUT ?= 10m

# The directories of all modules in go.work, one a line; the root alone without it.
MODULES := go list -m -f '{{.Dir}}'
# The path of a linter's binary, built from tools/go.mod when it is not in Go's
# build cache. The binary is then run without GOWORK=off, so it sees the workspace.
tool = $$(cd tools && GOWORK=off go tool -n $(1))

# -coverpkg=./... counts examples and bench too, so go test's percentages by package
# say nothing of use and are cut; the total is of the library's own packages.
compact = sed -uE -e '/^coverage: [0-9.]+% of statements/d' \
	-e '/^[[:space:]]+[^[:space:]]+[[:space:]]+coverage: [0-9.]+% of statements/d' \
	-e 's/[[:space:]]+coverage: ([0-9.]+% of|\[no ).*//'

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test-deps
test-deps:
	@tools/need.sh go '' 'Go 1.26 or newer, from https://go.dev/dl'
	@tools/need.sh gcc 'gcc libc6-dev' 'a C compiler, for go test -race'
	@tools/need.sh redis-server redis-server 'the server that backend/redis is tested against' \
		|| echo 'tests that need redis-server are skipped'
	@tools/need.sh "$${MN_CHROMIUM:-chromium}" chromium 'the browser that the dashboard is tested in' \
		|| case ,$$MN_REQUIRE, in *chromium*) exit 1;; *) echo 'tests that need chromium are skipped';; esac
	@command -v "$${MN_NOMAD_BIN:-nomad}" >/dev/null || echo 'tests that need a Nomad agent are skipped:' \
		'https://developer.hashicorp.com/nomad/install, or name the program in MN_NOMAD_BIN'

.PHONY: test
test: test-deps ## all tests of all modules with -race, and the library's coverage (ARGS, PKG, TIMEOUT)
	@CGO_ENABLED=1 go test -race -shuffle=on -timeout $(TIMEOUT) \
		-coverpkg=./... -coverprofile=cover.all.out $(PKG) $(ARGS) | $(compact)
	@go test -timeout $(TIMEOUT) -run Miniredis ./backend/redis
	@grep -vE '^github.com/multinode/mn/(examples|bench|internal/history|internal/browser)/' cover.all.out > cover.out
	@go tool cover -func=cover.out | awk 'END { print "coverage of the library: " $$NF }'

.PHONY: cover
cover: test ## the same, and coverage.html
	@go tool cover -html=cover.out -o coverage.html
	@echo 'see coverage.html'

.PHONY: bench
bench: ## run the benchmark program (ARGS)
	@cd bench && go run . $(ARGS)

.PHONY: bench-nomad
bench-nomad: ## measure a cold start beside a bare dispatch on a real Nomad agent
	@MN_REQUIRE=nomad go test -run '^$$' -bench ColdStart -benchtime 20x ./provisioner/nomad $(ARGS)

# A module outside go.work, like tools/.
.PHONY: bench-peers
bench-peers: ## measure mn and its peers side by side (ARGS)
	@tools/need.sh redis-server redis-server 'the server of mn, asynq and go-workflows' \
		|| echo 'what needs redis-server is left out'
	@command -v initdb >/dev/null \
		|| tools/need.sh pg_createcluster postgresql 'PostgreSQL, the server of River and DBOS' \
		|| echo 'what needs PostgreSQL is left out'
	@cd bench/peers && GOWORK=off go run . $(ARGS)

.PHONY: docs
docs: ## draw the pictures of docs/ anew, from real runs; then look at them
	@cd examples && go test ./guide/pictures -run Pictures -count=1 -update

.PHONY: lint
lint: ## gofumpt, go vet, golangci-lint, govulncheck
	@files=$$("$(call tool,gofumpt)" -l .); \
		[ -z "$$files" ] || { echo "not formatted, run make fmt:"; echo "$$files"; exit 1; } >&2
	@go vet work
	@lint="$(call tool,golangci-lint)"; failed=0; while IFS= read -r dir; do \
		(cd "$$dir" && "$$lint" run --config '$(CURDIR)/.golangci.yml' ./... </dev/null) || failed=1; \
		done < <($(MODULES)); exit $$failed
	@$(MODULES) | tools/vuln.sh "$(call tool,govulncheck)"

.PHONY: fmt
fmt: ## format all Go files
	@"$(call tool,gofumpt)" -w .

.PHONY: tidy
tidy: ## go mod tidy in every module
	@$(MODULES) | while IFS= read -r dir; do tools/tidy.sh "$$dir"; done
	@GOWORK=off go -C tools mod tidy
	@GOWORK=off go -C bench/peers mod tidy
