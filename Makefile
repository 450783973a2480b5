# Names only; what they do is in scripts/ and cargo.
# Add --locked or the like with CARGO_FLAGS; PREFIX and DESTDIR are for `make install`.
.PHONY: build test unit clippy lint demo bench release setup install
PREFIX ?= /usr/local

build:
	cargo build --release $(CARGO_FLAGS)

# Everything, the tier against a real docker engine included.
test: setup
	RENEW_ENGINE_TIER=required RUST_TEST_THREADS=$$(($$(nproc) * 2)) cargo test $(CARGO_FLAGS)

# What needs no engine.
unit:
	cargo test $(CARGO_FLAGS) --lib --test tidy

clippy:
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings

lint: clippy
	cargo fmt --check

# KEEP=1 leaves the stage for you to play on.
demo: setup
	scripts/demo

# The table of costs: ratios of one run.
bench: setup
	cargo bench $(CARGO_FLAGS)

# A static binary that runs on any Linux of this architecture.
release:
	scripts/release

setup:
	scripts/setup

install:
	install -D -m 0755 target/release/renew $(DESTDIR)$(PREFIX)/bin/renew
