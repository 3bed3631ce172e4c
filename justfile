# `just` lists the recipes. None of them needs more than cargo; `check` also wants cargo-deny.

_list:
    @just --list

# Everything that must be green before a change lands.
check:
    bash .ci/run

# The tests alone.
test *ARGS:
    cargo test --workspace {{ARGS}}

# The rules that are tests: layers, lengths, leftovers, promises.
tidy:
    cargo test --test tidy

# Plays the scenes with real BlueZ in a small virtual machine: 10 minutes and more, as root.
ble LAB="../shared/ble-lab":
    STARLING_BLE_LAB={{absolute_path(LAB)}} cargo test --test it ble_ -- --test-threads 1

# Writes the names of the attack tests into the table of docs/SECURITY.md.
attacks:
    BLESS=1 cargo test --test tidy the_table_of_attacks

# Formats and applies what clippy can apply.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty

# Licences, bans, sources and current advisories.
deny:
    cargo deny check

# The documentation of the code, private items too.
docs:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items

# The figures of docs/BENCHMARKS.md, with machine and load.
bench *ARGS:
    @echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
    @echo "load:    $(cut -d' ' -f1-3 /proc/loadavg)"
    @echo "commit:  $(git rev-parse --short HEAD)"
    cargo bench -p starling --bench parts --bench store --bench daemons {{ARGS}}

# Writes what the fixed seeds of the simulator come to, without what is the machine's: what `check` compares with.
sim-baseline:
    cargo build --locked
    for name in two_villages_and_a_courier park bad_clocks; do target/debug/starling sim run $name --small --seeds 1..4 --json || exit 1; done > target/baseline.json
    sed -E 's/"wall_seconds":[0-9.e-]+/"wall_seconds":0.0/g; s/"peak_rss_bytes":[0-9]+/"peak_rss_bytes":0/g' target/baseline.json > scenarios/baseline.json

# Fuzzes one entry of remote bytes; new findings go to target/fuzz, not into the corpus.
fuzz ENTRY SECONDS="600":
    mkdir -p target/fuzz/{{ENTRY}}
    cargo +nightly fuzz run {{ENTRY}} target/fuzz/{{ENTRY}} fuzz/corpus/{{ENTRY}} -- -max_total_time={{SECONDS}} -len_control=0 -rss_limit_mb=2048

# Fuzzes every entry, ten minutes each by default.
fuzz-all SECONDS="600":
    for entry in $(ls fuzz/fuzz_targets | sed 's/\.rs$//'); do just fuzz $entry {{SECONDS}} || exit 1; done

# What is too long for every change: hours of fuzzing, many seeds, many property cases.
nightly:
    PROPTEST_CASES=20000 cargo test --workspace --release
    just ble
    STARLING_GROUP_RUNS=500 cargo test --release -p mesh-sim --lib groups_that_are_split
    just fuzz-all 3600
    just bench
