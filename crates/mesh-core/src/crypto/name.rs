//! Names that others chose: made harmless before they are shown, and compared as eyes compare them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::wire::message::MAX_NAME;

/// The most combining marks that are kept on one letter; scripts need two or three, towers of them
/// cover the lines above.
const MAX_MARKS: usize = 3;

/// A name fit to be shown: at most 64 bytes, see [`clean_line`]. Empty where nothing visible is left.
#[must_use]
pub fn clean_name(name: &str) -> String {
    clean_line(name, MAX_NAME)
}

/// One line fit to be shown, in NFC and at most `max` bytes: without control characters, line breaks,
/// direction overrides and other invisible characters, without towers of marks; runs of white space
/// are one space, none at the ends.
#[must_use]
pub fn clean_line(text: &str, max: usize) -> String {
    let visible = text.chars().filter_map(|c| match c {
        c if c.is_whitespace() => Some(' '),
        c if is_hidden(c) => None,
        c => Some(c),
    });
    let mut line = Line { text: String::new(), marks: 0, max };
    for c in visible.nfc() {
        if !line.push(c) {
            break;
        }
    }
    line.text.truncate(line.text.trim_end().len());
    line.text
}

struct Line {
    text: String,
    marks: usize,
    max: usize,
}

impl Line {
    /// Adds `c` where it may stand; `false` once the line is full.
    fn push(&mut self, c: char) -> bool {
        self.marks = if is_combining_mark(c) { self.marks + 1 } else { 0 };
        let bare = self.text.is_empty() || self.text.ends_with(' ');
        if bare && (c == ' ' || self.marks > 0) || self.marks > MAX_MARKS {
            return true;
        }
        if self.text.len() + c.len_utf8() > self.max {
            return false;
        }
        self.text.push(c);
        true
    }
}

/// Whether two names can be taken for one another: by UTS 39 skeletons, as written and in lower case,
/// spaces aside.
#[must_use]
pub fn is_confusable(a: &str, b: &str) -> bool {
    let theirs = looks(b);
    looks(a).iter().any(|look| theirs.contains(look))
}

/// What two names have in common where they can be taken for one another: see [`is_confusable`]. None for a
/// name of which nothing is visible.
#[must_use]
pub fn looks(name: &str) -> Vec<String> {
    let name = squeezed(name);
    if name.is_empty() {
        return Vec::new();
    }
    // The case is told apart, so that one name as written is not compared with another in lower case.
    vec![format!("=\0{}", skeleton(&name)), format!("~\0{}", skeleton(&name.to_lowercase()))]
}

fn squeezed(name: &str) -> String {
    clean_name(name).split(' ').collect()
}

fn skeleton(name: &str) -> String {
    unicode_security::skeleton(name).collect()
}

/// Controls, format characters, fillers, variation selectors, private use, non-characters: what
/// changes how its neighbours look, or looks like nothing.
fn is_hidden(c: char) -> bool {
    let listed = matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{070f}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}');
    listed || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_ordinary_name_stays_as_it_is() {
        for name in ["Anna Müller", "李小龍", "محمد", "O'Brien", "Zoë 🌼", "नेहा"] {
            assert_eq!(clean_name(name), name.nfc().collect::<String>());
        }
    }

    #[test]
    fn attack_09_overrides_zero_width_and_control_characters_are_stripped() {
        assert_eq!(clean_name("An\u{202e}na\u{200b} \u{2066}M\u{7}\u{0}\u{feff}"), "Anna M");
        assert_eq!(clean_name("\u{200b}\u{3164}\u{2800}\u{e0041}"), "");
        assert_eq!(clean_name("a\nb\r\n\tc"), "a b c");
    }

    #[test]
    fn attack_09_towers_of_marks_are_cut() {
        let tower = format!("Z{}oe", "\u{0301}\u{0323}".repeat(40));
        assert!(clean_name(&tower).chars().count() <= 7);
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(clean_name(&"ö".repeat(50)), "ö".repeat(32));
        assert_eq!(clean_name(&format!("{}ö", "a".repeat(63))), "a".repeat(63));
    }

    #[test]
    fn attack_09_look_alikes_are_confusable() {
        let pairs = [
            ("Anna", "Аnnа"),
            ("Anna", "ANNA"),
            ("paypal", "paypaI"),
            ("Bob Miller", "BobMiller"),
            ("scope", "ѕсоре"),
            ("rn", "m"),
            ("Anna", "An\u{200d}na"),
        ];
        for (a, b) in pairs {
            assert!(is_confusable(a, b), "{a} {b}");
        }
    }

    #[test]
    fn different_names_are_not_confusable() {
        for (a, b) in [("Anna", "Hanna"), ("Bob", "Rob"), ("", ""), ("李", "王")] {
            assert!(!is_confusable(a, b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_is_bounded_and_cleaning_again_changes_nothing(text in any::<String>()) {
            let once = clean_name(&text);
            prop_assert!(once.len() <= MAX_NAME);
            prop_assert!(!once.chars().any(|c| c.is_control() || is_hidden(c)));
            prop_assert_eq!(clean_name(&once), once);
        }

        #[test]
        fn every_name_is_confusable_with_itself(text in "[a-zA-Zäöü ]{1,20}") {
            prop_assume!(!clean_name(&text).is_empty());
            prop_assert!(is_confusable(&text, &text));
        }
    }
}
