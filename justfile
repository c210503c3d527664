# `just ci` is what CI runs. Every recipe fails when it cannot do its work; none skips, but that `just test` leaves out network namespaces where
# it may not make any: `just roaming` demands them.

set shell := ["bash", "-euo", "pipefail", "-c"]

# The checks of CI, cheapest first.
steps := "fmt self-test layers deny spec thumb clippy test test-others roaming docs fuzz-build e2e demo sim instructions cortex-m scale"
fuzz_target := "x86_64-unknown-linux-gnu"

# What cargo-fuzz passes: coverage counters and AddressSanitizer. Nightly only.
fuzz_flags := "--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 -Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"

# List the recipes.
default:
    @just --list --unsorted

# Everything CI checks, with the minutes of each step; stops at the first failure.
ci:
    #!/usr/bin/env bash
    set -euo pipefail
    report=""
    for step in {{ steps }}; do
        echo "=== just $step"
        started=$SECONDS
        timeout 20m {{ quote(just_executable()) }} "$step" || { echo "=== just $step FAILED"; exit 1; }
        report+=$(printf '%-12s %5.1f min' "$step" "$(awk "BEGIN { print ($SECONDS - $started) / 60 }")")$'\n'
    done
    printf '%s' "$report"

# Formatting of all workspaces.
fmt:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check
    cargo fmt --manifest-path tests/cortex-m/Cargo.toml --check
    cargo fmt --manifest-path tests/embassy/Cargo.toml --check

# Lints, with warnings as errors.
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# The checkers find the faults that are planted for them; the one planted for the fuzzer still fits the code.
self-test:
    git apply --check fuzz/planted-panic.patch
    python3 .ci/planted.py --check
    python3 .ci/layers.py --self-test
    python3 .ci/spec.py --self-test
    python3 .ci/deny.py --self-test
    python3 .ci/instructions.py --self-test
    python3 .ci/growth.py --self-test
    python3 .ci/cortex_m.py --self-test

# Imports of the core point down, no std in it, no clock where none belongs (docs/layers.toml).
layers:
    python3 .ci/layers.py

# Every MUST of docs/protocol.md is cited by a test; docs/requirements.md and docs/threat-model.md are complete.
spec:
    python3 .ci/spec.py

# All tests: unit, property, scenario, documentation, the fuzz corpora.
test:
    cargo test

# Tests of the packages that `cargo test` leaves out (`default-members` in Cargo.toml): the provider on AWS-LC, a minute of compiling C.
test-others:
    #!/usr/bin/env bash
    set -euo pipefail
    others=$(cargo metadata --locked --no-deps --format-version 1 | python3 -c 'import json, sys; all = json.load(sys.stdin); print(*["--package=" + package["name"] for package in all["packages"] if package["id"] not in all["workspace_default_members"]])')
    [[ -n "$others" ]]
    cargo test --locked $others

# Both ends of a transfer move to other network namespaces, on tokio and on smol. Needs Linux, root, `ip` and `unshare`. Debian: apt-get install iproute2 util-linux.
roaming:
    SESSION_NAMESPACES=required cargo test --locked -p session-tests --test roaming

# A million dynamic channels on one session, memory watched: about a minute.
channels:
    SESSION_CHANNELS=1000000 cargo test --release --locked -p session-tests --test channels many_channels

# Documentation without a warning.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Licences, sources and bans of all dependencies (deny.toml).
deny:
    python3 .ci/deny.py

# The core for a microcontroller that has no std at all, and a session on the types of embassy, which also runs here. Debian: apt-get install rustc-web cargo-web rust-web-src.
thumb:
    RUSTC_BOOTSTRAP=1 PATH="/usr/bin:$PATH" CARGO_TARGET_DIR=target/thumb /usr/bin/cargo build --locked -Zbuild-std=core,alloc --target thumbv7m-none-eabi -p session-core
    cd tests/embassy && RUSTC_BOOTSTRAP=1 PATH="/usr/bin:$PATH" CARGO_TARGET_DIR=../../target/thumb /usr/bin/cargo build --locked
    cargo test --locked --manifest-path tests/embassy/Cargo.toml --target-dir target/embassy

# A Cortex-M3 in QEMU: the same bytes as here, figures within 2 % of tests/cortex-m/figures.json, files over a bad serial line. About two minutes. Debian: apt-get install rustc-web cargo-web rust-web-src binutils-arm-none-eabi qemu-system-arm.
cortex-m:
    python3 .ci/cortex_m.py

# Writes the figures of `just cortex-m` down, and into docs/performance.md.
cortex-m-update:
    python3 .ci/cortex_m.py --update

# All fuzz targets, instrumented (nightly).
fuzz-build:
    RUSTFLAGS="{{ fuzz_flags }}" cargo +nightly build --manifest-path fuzz/Cargo.toml --target-dir fuzz/target --release --bins --locked --target {{ fuzz_target }}

# One fuzz target for some seconds on top of its corpus, e.g. `just fuzz header 60`.
fuzz target seconds="60": fuzz-build
    mkdir -p fuzz/artifacts/{{ target }} fuzz/target/found/{{ target }}
    fuzz/target/{{ fuzz_target }}/release/{{ target }} -max_total_time={{ seconds }} -malloc_limit_mb=512 -artifact_prefix=fuzz/artifacts/{{ target }}/ fuzz/target/found/{{ target }} fuzz/corpus/{{ target }}

# Messages of 64 MiB over a link that loses, release build.
large:
    SESSION_LARGE_MIB=64 cargo test --release --locked -p session-tests --test sizes

# Real transfers between real processes, and the largest messages, release build.
e2e: large
    cargo test --release --locked -p session-cli --test e2e

# Long real transfers, by hand: 1 GiB in each of four directions, 50 senders at once.
soak:
    SESSION_E2E_MIB=1024 SESSION_E2E_SENDERS=50 cargo test --release --locked -p session-cli --test e2e heavy -- --nocapture --test-threads 1

# The README's first command: a file crosses a bad link between two processes.
demo:
    cargo run --release -p session-cli --bin session -- demo

# A thousand seeds of everything at once, in virtual time: docs/simulator.md.
sim seeds="1000":
    cargo run --release --locked -p session-sim -- --seeds {{ seeds }}

# The simulator finds the bugs that are planted for it, each within 200 seeds. By hand: a build for each, a quarter of an hour and more.
planted *names:
    python3 .ci/planted.py {{ names }}

# 100,000 sessions in one endpoint: heap of each while it rests, an hour of rest, and nothing left after their end.
scale many="100000":
    SESSION_MANY={{ many }} cargo test --release --locked -p session-tests --test many_sessions -- --nocapture --test-threads 1

# An hour of a million idle sessions in virtual time, by hand: 5 GB, some minutes.
million:
    SESSION_MANY=1000000 cargo test --release --locked -p session-tests --test many_sessions -- --nocapture idle_sessions_live_through_an_hour

# Rewrites docs/bounds.md from `Limits`; `just test` fails when it is out of date.
bounds:
    UPDATE_BOUNDS=1 cargo test --locked -p session-tests --test bounds

# Instructions per idle poll, echo and bulk datagram with 1, 1,000 and many sessions; fails where many cost more than 1.5 times as much, or one of the three more than its ceiling; then calls with so many and twice as many ranges, holes or channels in their way. Needs valgrind.
instructions many="100000":
    python3 .ci/instructions.py {{ many }}
    python3 .ci/growth.py

# Figures of session alone: goodput, latency, handshakes, memory, time per poll.
bench:
    cargo run --release --locked -p session-cli --bin session -- bench

# session beside its peers in one run, by hand: `just side-by-side loopback`, `memory`, `simulated`; with names of rows and `--json figures.json`. Minutes of compiling, much of it C.
side-by-side *arguments="loopback":
    cargo run --profile side-by-side --locked -p session-bench --features peers -- {{ arguments }}

# Lints and tests of what `just side-by-side` runs, peers included; `just ci` has only what needs none.
side-by-side-check:
    cargo clippy --profile side-by-side --locked -p session-bench --features peers --all-targets -- -D warnings
    cargo test --profile side-by-side --locked -p session-bench --features peers
