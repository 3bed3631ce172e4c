//! Reads the project's files and cuts Rust source into what the rules look at.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold what is built or fetched, not what is written.
const SKIPPED: [&str; 6] = ["target", ".git", "node_modules", "dist", "artifacts", "corpus"];

/// One file of the project.
pub(crate) struct File {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: String,
}

impl File {
    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of it is test code.
    pub(crate) fn is_test(&self) -> bool {
        let in_tests = ["tests/", "benches/"]
            .iter()
            .any(|folder| self.path.starts_with(folder) || self.path.contains(&format!("/{folder}")));
        in_tests || self.path.ends_with("tests.rs")
    }

    /// The code with comments and the inside of strings blanked; lines keep their numbers.
    pub(crate) fn code(&self) -> String {
        blank(&self.text)
    }

    /// [`File::code`] without `#[cfg(test)]` items, which are blanked too.
    pub(crate) fn product(&self) -> String {
        without_tests(self.code())
    }
}

/// The folder of the root package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of one file by its path from the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text file that is written by hand, sorted by path.
pub(crate) fn files() -> Vec<File> {
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    paths.sort();
    let named = |path: PathBuf| {
        let relative = path.strip_prefix(root()).expect("walk stays below the root");
        let text = fs::read_to_string(&path).ok()?;
        Some(File { path: relative.to_string_lossy().replace('\\', "/"), text })
    };
    paths.into_iter().filter_map(named).collect()
}

/// Every Rust file.
pub(crate) fn rust_files() -> Vec<File> {
    files().into_iter().filter(File::is_rust).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder that opened can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found);
        } else if path.is_file() && name != "Cargo.lock" {
            found.push(path);
        }
    }
}

/// A function with a body.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of `fn`, from 1.
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) lines: usize,
}

/// The functions of blanked code.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("fn ").map(|at| at + from) {
        from = at + 3;
        let is_word = at == 0 || !is_ident(code.as_bytes()[at - 1]);
        let name: String = code[from..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !is_word || name.is_empty() {
            continue;
        }
        let Some(open) = body_start(code, from) else { continue };
        let close = closing(code, open);
        let line = 1 + count_lines(&code[..at]);
        found.push(Function { name, line, lines: 1 + count_lines(&code[at..close]) });
    }
    found
}

/// The names of everything that `cargo test` runs.
pub(crate) fn test_names() -> Vec<String> {
    let mut names = Vec::new();
    for file in rust_files() {
        let code = file.code();
        for function in functions(&code) {
            let before: Vec<&str> = code.lines().take(function.line - 1).collect();
            let attributes = before.iter().rev().take_while(|line| {
                let line = line.trim();
                line.starts_with('#') || line.is_empty()
            });
            let in_proptest = before.iter().any(|line| line.trim_start().starts_with("proptest!"));
            if in_proptest || attributes.clone().any(|line| line.contains("test]") || line.contains("test("))
            {
                names.push(function.name);
            }
        }
    }
    names
}

fn count_lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn is_ident(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The opening brace of the function whose name starts at `from`; `None` for a mere signature.
fn body_start(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The brace that closes the one at `open`; the end of the text where none does.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    code.len()
}

fn without_tests(code: String) -> String {
    let mut bytes = code.into_bytes();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(at) = text.find("#[cfg(test)]") else { return text };
        let end = body_start(&text, at + 12).map_or(at + 12, |open| closing(&text, open) + 1);
        for byte in &mut bytes[at..end.min(text.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
}

/// Replaces comments and the contents of literals by spaces.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        at = end;
    }
    String::from_utf8(out).expect("only whole literals and comments are blanked")
}

/// The end of the comment or literal that starts at `at`; `at` itself where none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_ident = at > 0 && is_ident(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment_len(rest),
        [b'"', ..] => at + string_len(rest),
        [b'b', b'"', ..] if !after_ident => at + 1 + string_len(&rest[1..]),
        [b'r', b'"' | b'#', ..] if !after_ident => at + raw_string_len(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !after_ident => at + raw_string_len(rest, 2),
        [b'\'', b'\\', ..] => at + char_len(rest),
        [b'\'', ..] => at + plain_char_len(rest),
        _ => at,
    }
}

fn block_comment_len(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn string_len(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r#"..."#` whose hashes start at `prefix`; 0 for a raw identifier.
fn raw_string_len(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = prefix + hashes + 1;
    let end = rest[body..].windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| body + end + close.len())
}

fn char_len(rest: &[u8]) -> usize {
    let end = rest.iter().skip(3).position(|byte| *byte == b'\'');
    end.map_or(rest.len(), |end| end + 4)
}

/// The length of `'x'`; 0 for a lifetime.
fn plain_char_len(rest: &[u8]) -> usize {
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(8)]).into_owned();
    let Some(first) = text.chars().next() else { return 0 };
    if rest.get(1 + first.len_utf8()) == Some(&b'\'') { first.len_utf8() + 2 } else { 0 }
}

#[test]
fn comments_and_literals_are_blanked_and_lines_stay() {
    let code = blank("a // {\n\"}\\\"{\" 'x' '{' b\"{\" r#\"{\"\"# /* { /* */ */ <'a>\n'\\'' z");
    assert_eq!(code.replace(' ', ""), "a\n<'a>\nz");
}

#[test]
fn a_function_counts_from_its_name_to_its_brace() {
    let code = blank("fn one() -> [u8; 2] {\n  if x { y }\n}\ntrait T { fn none(&self); }\n");
    let found = functions(&code);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].line, found[0].lines), ("one", 1, 3));
}

#[test]
fn test_modules_are_no_product() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n".to_owned();
    let names: Vec<_> = functions(&without_tests(text)).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["a", "c"]);
}
