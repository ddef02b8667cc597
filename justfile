# Shortcuts. Everything works without `just` too, with the commands below.

# List the recipes
default:
    @just --list

# Run a manifest: `just run workflows/quickstart.yaml`
run MANIFEST="workflows/quickstart.yaml" *ARGS:
    cargo run --locked -- run {{MANIFEST}} {{ARGS}}

# Show what a run would do
plan MANIFEST="workflows/quickstart.yaml" *ARGS:
    cargo run --locked -- plan {{MANIFEST}} {{ARGS}}

# Run all tests
test:
    cargo test --workspace --locked

# Check formatting, lints, licences and bans (the last two if cargo-deny is installed)
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    @if command -v cargo-deny >/dev/null; then cargo deny --locked check licenses bans sources; else echo "cargo-deny is not installed: licences and bans were not checked"; fi

# Run all benchmarks; each figure has its peer or limit beside it
bench *ARGS:
    cargo bench --workspace --locked {{ARGS}}

# Measure how well the band hears and harmonises (requirements: tools/band_eval/README.md)
band-eval *ARGS:
    python3 tools/band_eval/band_eval.py {{ARGS}}

# Build the program as it is released, with every feature of a user
dist:
    cargo build --profile dist --locked -p backline-cli --features postgres,store,tags,otlp

# Serve the vendors' contract on this machine
studio *ARGS:
    cargo run --release --locked -- studio {{ARGS}}

# Run everything that a landing must pass
ci:
    .ci/run

# Run the simulation with these seeds: `just soak 0..1000000`
soak SEEDS="0..1000000":
    BACKLINE_SEEDS={{SEEDS}} cargo test --release --locked -p backline-engine conductor -- --nocapture

# Run on a schedule: require the lock file, write the reports to one folder, return the run's exit code
nightly MANIFEST REPORTS="nightly":
    cargo build --release --locked -p backline-cli
    PATH="{{justfile_directory()}}/target/release:$PATH" sh {{justfile_directory()}}/workflows/ci/nightly.sh "{{MANIFEST}}" "{{REPORTS}}"

# Buy a thousand jobs from a studio with every fault
soak-misbehave JOBS="1000":
    BACKLINE_STORM_JOBS={{JOBS}} cargo test --locked -p backline-cli --test it proof::misbehave -- --nocapture

# Run the kill matrix and the disk faults at every point instead of a selection
prove:
    BACKLINE_PROOF=all cargo test --locked -p backline-cli --test it proof:: -- --nocapture

# Fuzz every input from outside, for this many seconds each; installs cargo-fuzz if it is missing
fuzz SECONDS="180":
    #!/usr/bin/env bash
    set -euo pipefail
    # A stable compiler refuses sanitizers without this.
    export RUSTC_BOOTSTRAP=1
    cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
    for target in manifest record_info callback csv_catalogue template audio; do
        mkdir -p "fuzz/found/$target"
        cargo fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
            -max_total_time={{SECONDS}} -max_len=4096 -print_final_stats=1 -print_funcs=0 -verbosity=0
    done
