//! The words that people read: Fluent files under `locales/`, one folder per language, embedded.
//!
//! English is whole; a text that another language lacks is taken from it.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use std::sync::OnceLock;
use unic_langid::LanguageIdentifier;

pub use fluent_bundle::FluentValue;

/// Every language that is embedded, English first.
const LOCALES: &[(&str, &[&str])] = &[("en", &[include_str!("../locales/en/starling.ftl")])];

/// The text named `$id`, in the person's language: `t!("hello")`, `t!("hello", name = "Asha")`.
#[macro_export]
macro_rules! t {
    ($id:literal) => { $crate::strings::text($id, &[]) };
    ($id:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::strings::text($id, &[$((stringify!($name), $crate::strings::FluentValue::from($value))),+])
    };
}

/// The text named `id` with `args` put in.
///
/// Without an entry the id itself is given, so that a gap in a translation is seen and harmless.
#[must_use]
pub fn text(id: &str, args: &[(&str, FluentValue<'_>)]) -> String {
    let mut filled = FluentArgs::with_capacity(args.len());
    for (name, value) in args {
        filled.set((*name).to_owned(), value.clone());
    }
    for bundle in bundles() {
        let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else { continue };
        return bundle.format_pattern(pattern, Some(&filled), &mut Vec::new()).into_owned();
    }
    id.to_owned()
}

/// Makes a remote text safe for a terminal: control and invisible formatting characters are dropped,
/// line breaks and tabs stay.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c)).collect()
}

/// As [`clean`], on one line; a name in a right-to-left script cannot turn what stands around it.
#[must_use]
pub fn clean_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let line = clean(&line);
    let is_rtl = |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}');
    if line.chars().any(is_rtl) { format!("\u{2068}{line}\u{2069}") } else { line }
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}')
}

/// The person's language first, English last.
fn bundles() -> &'static [FluentBundle<FluentResource>] {
    static BUNDLES: OnceLock<Vec<FluentBundle<FluentResource>>> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let wanted = wanted_language();
        let mut bundles: Vec<_> =
            LOCALES.iter().skip(1).filter(|(name, _)| *name == wanted).map(load).collect();
        bundles.push(load(&LOCALES[0]));
        bundles
    })
}

fn load((name, sources): &(&str, &[&str])) -> FluentBundle<FluentResource> {
    let language: LanguageIdentifier = name.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Isolation marks would stand in what scripts read; names are isolated where they need it.
    bundle.set_use_isolating(false);
    for source in *sources {
        // A damaged entry is left out; the tests hold every file to be whole.
        let resource = FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(kept, _)| kept);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

fn wanted_language() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).unwrap_or_default();
    locale.split(['_', '.', '@']).next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_locale_parses() {
        for (name, sources) in LOCALES {
            for source in *sources {
                let parsed = FluentResource::try_new((*source).to_owned());
                assert!(parsed.is_ok(), "{name}: {:?}", parsed.err().map(|(_, errors)| errors));
            }
        }
    }

    #[test]
    fn every_text_that_the_code_names_exists_and_none_is_unused() {
        let mut used = BTreeSet::new();
        collect(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), &mut used);
        let source = LOCALES[0].1.concat();
        let defined: BTreeSet<String> = source
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(|line| line.split_once(" =").map(|(id, _)| id.to_owned()))
            .collect();
        assert_eq!(used.difference(&defined).collect::<Vec<_>>(), Vec::<&String>::new(), "missing");
        assert_eq!(defined.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "unused");
    }

    fn collect(dir: &Path, used: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, used);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("strings.rs") {
                let code = std::fs::read_to_string(&path).unwrap();
                // A part that ends in a letter is another macro, such as `format!(`.
                let parts: Vec<&str> = code.split("t!(").collect();
                for pair in parts.windows(2).filter(|pair| !pair[0].ends_with(char::is_alphanumeric)) {
                    let part = pair[1];
                    let Some(rest) = part.trim_start().strip_prefix('"') else { continue };
                    used.extend(rest.split('"').next().map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn an_unknown_text_gives_its_own_name() {
        assert_eq!(text("no-such-text", &[]), "no-such-text");
    }

    #[test]
    fn escape_sequences_of_strangers_never_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\u{7}\u{202e}c\nd"), "a[31mbc\nd");
        assert_eq!(clean_line("a\nb\u{9b}"), "a b");
        assert_eq!(clean_line("שלום"), "\u{2068}שלום\u{2069}");
    }
}
