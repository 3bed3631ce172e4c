//! The style guide as a test: walls, layers, lengths, leftovers, promises.
//!
//! CONTRIBUTING.md says what the rules are for. Each failure names file and line.

mod layers;
mod promises;
mod source;

use source::{File, files, functions, rust_files};

/// The longest function of the product, in lines.
const MAX_FUNCTION: usize = 70;
/// The longest function of test code, in lines: a scenario tells one story.
const MAX_TEST_FUNCTION: usize = 100;
/// The longest file, in lines, without its test module.
const MAX_FILE: usize = 800;

/// Names that a trait of another crate prescribes.
const PRESCRIBED: [&str; 1] = ["get_item"];

/// Members of the workspace and the fuzzing crate beside it.
const MANIFESTS: [&str; 4] =
    ["Cargo.toml", "crates/mesh-core/Cargo.toml", "crates/mesh-sim/Cargo.toml", "fuzz/Cargo.toml"];

#[test]
fn functions_fit_on_a_screen() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let (code, limit) = match file.is_test() {
            true => (file.code(), MAX_TEST_FUNCTION),
            false => (file.product(), MAX_FUNCTION),
        };
        let long = functions(&code).into_iter().filter(|function| function.lines > limit);
        wrong.extend(long.map(|f| format!("{}:{}: {} has {} lines", file.path, f.line, f.name, f.lines)));
    }
    assert_none(&wrong);
}

#[test]
fn files_are_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for file in rust_files().into_iter().filter(|file| !file.path.ends_with("tests.rs")) {
        let product = file.product();
        let before_tests = product.trim_end().lines().count();
        if before_tests > MAX_FILE {
            wrong.push(format!("{} has {before_tests} lines", file.path));
        }
    }
    assert_none(&wrong);
}

#[test]
fn nothing_is_left_over() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
    let mut wrong = Vec::new();
    for file in files() {
        wrong.extend(words.iter().flat_map(|word| whole_words(&file, word)));
    }
    let calls = [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!")];
    for file in rust_files() {
        let code = file.code();
        let numbered = code.lines().enumerate();
        let left = numbered.filter(|(_, line)| calls.iter().any(|call| line.contains(call)));
        wrong.extend(left.map(|(number, line)| format!("{}:{}: {}", file.path, number + 1, line.trim())));
    }
    assert_none(&wrong);
}

#[test]
fn no_test_is_ignored() {
    let ignored = concat!("#[ign", "ore");
    let mut wrong = Vec::new();
    for file in rust_files() {
        wrong.extend(file.code().contains(ignored).then(|| file.path.clone()));
    }
    assert_none(&wrong);
}

#[test]
fn every_exception_has_a_reason() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let code = file.code();
        for (at, _) in code.match_indices("#[allow(").chain(code.match_indices("#[expect(")) {
            let attribute = code[at..].split(")]").next().unwrap_or_default();
            if !attribute.contains("reason") {
                let line = 1 + code[..at].matches('\n').count();
                wrong.push(format!("{}:{line}: {attribute})]", file.path));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn names_say_what_things_are() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let code = file.product();
        let getters = functions(&code).into_iter().filter(|f| f.name.starts_with("get_"));
        let getters = getters.filter(|f| !PRESCRIBED.contains(&f.name.as_str()));
        wrong.extend(getters.map(|f| format!("{}:{}: {}", file.path, f.line, f.name)));
        for line in code.lines().map(str::trim) {
            let Some(name) = line.split_once("struct ").map(|(_, rest)| first_word(rest)) else { continue };
            let vague = ["Manager", "Helper", "Util", "Utils"].iter().any(|end| name.ends_with(end));
            wrong.extend(vague.then(|| format!("{}: {name}", file.path)));
        }
    }
    assert_none(&wrong);
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let workspace = source::read("Cargo.toml");
    assert!(workspace.contains("unsafe_code = \"forbid\""), "Cargo.toml does not forbid unsafe code");
    for manifest in MANIFESTS {
        let text = source::read(manifest);
        let inherits = text.contains("[lints]\nworkspace = true");
        let own = text.contains("[lints.rust]\nunsafe_code = \"forbid\"");
        assert!(inherits || own, "{manifest} does not take over the lints of the workspace");
    }
}

#[test]
fn files_speak_of_the_project_alone() {
    // Paths and hosts of the machine on which something was once written or built.
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("index.cra", "tes.io"),
        concat!("static.cra", "tes.io"),
        concat!("pypi", ".org"),
        concat!("files.python", "hosted"),
        concat!("registry.np", "mjs"),
        concat!("deb.deb", "ian.org"),
    ];
    let mut wrong = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            let named = places.iter().find(|place| line.contains(*place));
            wrong.extend(named.map(|place| format!("{}:{}: {place}", file.path, number + 1)));
        }
    }
    assert_none(&wrong);
}

#[test]
fn lines_end_cleanly() {
    let mut wrong = Vec::new();
    for file in files() {
        let numbered = file.text.lines().enumerate();
        let blank_ends = numbered.filter(|(_, line)| line.ends_with([' ', '\t']) && file.is_rust());
        wrong.extend(blank_ends.map(|(number, _)| format!("{}:{}: blank at the end", file.path, number + 1)));
        if file.text.contains("\r\n") {
            wrong.push(format!("{}: carriage returns", file.path));
        }
    }
    assert_none(&wrong);
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn whole_words(file: &File, word: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        if line.split(|c: char| !is_part(c)).any(|part| part == word) {
            found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
        }
    }
    found
}

fn first_word(rest: &str) -> &str {
    rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}
