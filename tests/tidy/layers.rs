//! The wall around the core and the order of its layers (ARCHITECTURE.md, laws 1 and 4).

use crate::source::{self, File};
use std::collections::BTreeSet;

/// What every layer may use: names, clocks, storage, the border.
const BASE: [&str; 7] = ["id", "time", "rng", "store", "outbox", "border", "view"];

/// What each layer may use besides [`BASE`] and itself; `node` and `lib` join them all.
const LAYERS: [(&str, &[&str]); 8] = [
    ("wire", &[]),
    ("crypto", &["wire"]),
    ("radio", &[]),
    ("link", &["wire", "crypto"]),
    ("carry", &["wire"]),
    ("gossip", &["wire"]),
    ("chat", &["wire", "crypto"]),
    ("media", &["wire", "crypto"]),
];

/// Crates, by the start of their names, that read clocks, draw randomness, wait or do I/O.
const OUTSIDE: [&str; 18] = [
    "tokio",
    "libp2p",
    "btleplug",
    "bluer",
    "sled",
    "clap",
    "axum",
    "hyper",
    "reqwest",
    "socket2",
    "rustix",
    "nix",
    "mio",
    "async-",
    "futures",
    "getrandom",
    "rand",
    "tracing-subscriber",
];

/// Parts of those names that are pure: generators that are seeded.
const SEEDED: [&str; 2] = ["rand_core", "rand_chacha"];

/// Modules of std that reach outside.
const OUTSIDE_STD: [&str; 5] = ["std::net", "std::fs", "std::process", "std::env", "std::thread"];

#[test]
fn the_core_depends_on_nothing_that_reaches_outside() {
    let manifest = source::read("crates/mesh-core/Cargo.toml");
    let section = manifest.split("[dependencies]").nth(1).expect("the core has dependencies");
    let names = section.lines().take_while(|line| !line.starts_with('[')).filter_map(dependency_name);
    let wrong: Vec<_> = names
        .filter(|name| OUTSIDE.iter().any(|outside| name.starts_with(outside)))
        .filter(|name| !SEEDED.contains(name))
        .collect();
    assert!(wrong.is_empty(), "crates/mesh-core/Cargo.toml names {wrong:?}");
}

#[test]
fn the_core_names_no_file_socket_or_thread() {
    let mut wrong = Vec::new();
    for file in core_files() {
        let code = file.product();
        for outside in OUTSIDE_STD {
            wrong.extend(lines_with(&code, outside).map(|line| format!("{}:{line}: {outside}", file.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn layers_import_only_what_stands_below_them() {
    let mut wrong = Vec::new();
    for file in core_files() {
        let module = module_path(&file);
        let Some((layer, below)) = LAYERS.iter().find(|(layer, _)| module.first() == Some(layer)) else {
            continue;
        };
        for name in imports(&file.product(), module.len()) {
            let allowed = name == *layer || below.contains(&name.as_str()) || BASE.contains(&name.as_str());
            if !allowed {
                wrong.push(format!("{}: the layer {layer} may not use {name}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_base_knows_no_layer() {
    let mut wrong = Vec::new();
    for file in core_files() {
        let module = module_path(&file);
        if !module.first().is_some_and(|first| BASE.contains(first)) {
            continue;
        }
        let names = imports(&file.product(), module.len());
        let above =
            names.iter().filter(|name| LAYERS.iter().any(|(layer, _)| layer == name) || *name == "node");
        wrong.extend(above.map(|name| format!("{}: may not use {name}", file.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_in_groups_and_above() {
    let code = "use crate::{wire::{A, B}, id::C};\nfn f() { super::super::link::g(); crate::chat::h() }";
    let found: Vec<_> = imports(code, 2).into_iter().collect();
    assert_eq!(found, ["chat", "id", "link", "wire"]);
}

fn core_files() -> impl Iterator<Item = File> {
    let all = source::rust_files().into_iter();
    all.filter(|file| file.path.starts_with("crates/mesh-core/src/") && !file.is_test())
}

fn dependency_name(line: &str) -> Option<&str> {
    let name = line.split(['=', '.']).next()?.trim();
    (!name.is_empty() && !name.starts_with('#')).then_some(name)
}

fn lines_with(code: &str, word: &str) -> impl Iterator<Item = usize> {
    let numbered = code.lines().enumerate();
    numbered.filter(move |(_, line)| line.contains(word)).map(|(number, _)| number + 1)
}

/// `["link", "frame"]` for `crates/mesh-core/src/link/frame.rs`.
fn module_path(file: &File) -> Vec<&str> {
    let inside = file.path.trim_start_matches("crates/mesh-core/src/").trim_end_matches(".rs");
    inside.split('/').filter(|part| *part != "mod" && *part != "lib").collect()
}

/// The top modules of the core that `code` names, in a module `depth` levels below the root.
fn imports(code: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let up = "super::".repeat(depth);
    for root in ["crate::", up.as_str()] {
        for (at, _) in code.match_indices(root) {
            collect(&code[at + root.len()..], &mut found);
        }
    }
    found.retain(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name != "self" && name != "super"
    });
    found
}

/// Takes the first name of a path, or of each member of a group.
fn collect(rest: &str, found: &mut BTreeSet<String>) {
    let Some(group) = rest.strip_prefix('{') else {
        found.insert(first_name(rest));
        return;
    };
    let (mut depth, mut at_start) = (1, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_start = true,
            c if at_start && !c.is_whitespace() => {
                found.insert(first_name(&group[at..]));
                at_start = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

fn first_name(rest: &str) -> String {
    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
