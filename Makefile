# Names only; what they do is in scripts/ and cargo.
# Add --locked or the like with CARGO_FLAGS; PREFIX and DESTDIR are for `make install`.
.PHONY: build test thorough chaos soak unit clippy lint matrix demo bench release setup install
PREFIX ?= /usr/local

build:
	cargo build --release $(CARGO_FLAGS)

# Everything but `thorough`; the tier against a real docker engine included.
test: setup
	RENEW_ENGINE_TIER=required RUST_TEST_THREADS=$$(($$(nproc) * 4)) cargo test $(CARGO_FLAGS)

# The rest of the stories against the engine: what goes wrong, and what is seldom asked for.
thorough: setup
	RENEW_ENGINE_TIER=required RUST_TEST_THREADS=$$(($$(nproc) * 4)) cargo test $(CARGO_FLAGS) --test thorough --test endless

# The whole kill matrix, in an hour; POINT=change:engine:3:before:all plays one point of it.
chaos: setup
	RENEW_ENGINE_TIER=required POINT=$(POINT) cargo test $(CARGO_FLAGS) --test chaos -- --nocapture

# A daemon that ticks every second for 20 minutes: it must not grow. MINUTES=2 for less.
soak: setup
	RENEW_ENGINE_TIER=required MINUTES=$(MINUTES) cargo test $(CARGO_FLAGS) --test soak -- --nocapture

# What needs no engine.
unit:
	cargo test $(CARGO_FLAGS) --lib --test tidy

# What is only played by name is no part of all targets.
clippy:
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo clippy $(CARGO_FLAGS) --test thorough --test endless --test chaos --test soak -- -D warnings

lint: clippy
	cargo fmt --check

# The engine tier against several engines and compose plugins, by hand: MATRIX="28.5 20.10/2.40".
matrix: setup
	scripts/matrix $(MATRIX)

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
