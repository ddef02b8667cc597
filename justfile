# Shortcuts; everything works without `just` too, by the commands that stand here.

# What there is
default:
    @just --list

# Run a manifest: `just run workflows/quickstart.yaml`
run MANIFEST="workflows/quickstart.yaml" *ARGS:
    cargo run --locked -- run {{MANIFEST}} {{ARGS}}

# Say what a run would do
plan MANIFEST="workflows/quickstart.yaml" *ARGS:
    cargo run --locked -- plan {{MANIFEST}} {{ARGS}}

# All tests
test:
    cargo test --workspace --locked

# Formatting, lints, licences and bans (the last two where cargo-deny is installed)
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    @if command -v cargo-deny >/dev/null; then cargo deny --locked check licenses bans sources; else echo "cargo-deny is not installed: licences and bans were not checked"; fi

# All benchmarks, with the peer or the limit beside each figure
bench *ARGS:
    cargo bench --workspace --locked {{ARGS}}

# How well the band hears and harmonises: see tools/band_eval/README.md for what it needs
band-eval *ARGS:
    python3 tools/band_eval/band_eval.py {{ARGS}}

# The vendors' contract on this machine
studio *ARGS:
    cargo run --release --locked -- studio {{ARGS}}

# What a landing must pass
ci:
    .ci/run

# The simulation for as long as you like: `just soak 0..1000000`
soak SEEDS="0..1000000":
    BACKLINE_SEEDS={{SEEDS}} cargo test --release --locked -p backline-engine conductor -- --nocapture

# A scheduled run: the plan must be what its lock file says; reports go to one folder; the exit code is the run's
nightly MANIFEST REPORTS="nightly":
    #!/usr/bin/env bash
    set -uo pipefail
    mkdir -p "{{REPORTS}}"
    cargo run --release --locked -- plan "{{MANIFEST}}" --locked --format json > "{{REPORTS}}/plan.json" || exit $?
    cargo run --release --locked -- run "{{MANIFEST}}" --locked --format json > "{{REPORTS}}/events.jsonl"
    code=$?
    # The run has filled the CI step's summary.
    env -u GITHUB_STEP_SUMMARY cargo run --release --locked -- report "{{MANIFEST}}" --dir "{{REPORTS}}" || [ $code -ne 0 ] || code=$?
    exit $code

# A thousand jobs bought from a studio that does everything wrong
soak-misbehave JOBS="1000":
    BACKLINE_STORM_JOBS={{JOBS}} cargo test --locked -p backline-cli --test it proof::misbehave -- --nocapture

# The kill matrix and the faults of the disk at every single point, not at some of the many
prove:
    BACKLINE_PROOF=all cargo test --locked -p backline-cli --test it proof:: -- --nocapture

# Fuzz what strangers can hand in, so many seconds each; installs cargo-fuzz if it is missing
fuzz SECONDS="180":
    #!/usr/bin/env bash
    set -euo pipefail
    # Sanitizers are asked for, which a stable compiler refuses without this.
    export RUSTC_BOOTSTRAP=1
    cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
    for target in manifest record_info callback csv_catalogue template audio; do
        mkdir -p "fuzz/found/$target"
        cargo fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
            -max_total_time={{SECONDS}} -max_len=4096 -print_final_stats=1 -print_funcs=0 -verbosity=0
    done
