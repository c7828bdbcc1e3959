# Short names for the project's scripts. Nothing here does work of its own.

default:
    @just --list

# Every test: Rust, then the extension in Python, the sqlite3 shell and Node.js
test:
    scripts/test.sh

# What a change must pass
ci:
    .ci/run

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy --manifest-path sqlite-ext/Cargo.toml --all-targets -- -D warnings
    cargo clippy --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
    scripts/deny.sh

# The engine's vectors on 64-bit ARM, in an emulator
aarch64 *tests:
    scripts/aarch64.sh {{tests}}

bench *args:
    cargo bench --package nearlite-bench {{args}}

# The engine beside other libraries, plots and tables included; an idle machine, please
bench-peers data python *args:
    scripts/bench/peers.sh {{data}} {{python}} {{args}}

# Build the loadable extension into sqlite-ext/dist
ext:
    sqlite-ext/build.sh

# The extension and the Python wheel for this platform, into dist/
release:
    scripts/release.sh --host

# Resolves and runs nearlite beside sqlx, diesel, tokio-rusqlite and others
interop:
    scripts/interop.sh

# The example over the sample data
demo:
    scripts/demo.sh

# Look for inputs that a fuzz target fails on, with cargo-fuzz and a nightly compiler: just fuzz query_text 300
fuzz target seconds *options:
    scripts/fuzz.sh {{target}} {{seconds}} {{options}}
