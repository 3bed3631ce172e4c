//! What a text is searched by: its words without case and diacritics, between single spaces.

use unicode_normalization::UnicodeNormalization as _;

/// The words of `text`, folded: a space, then word after word with one space behind each. So the beginning of a word
/// is found by a space and its letters, and two texts that differ in case, accents or punctuation are the same.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 2);
    folded.push(' ');
    for c in text.nfkd().filter(|c| !is_accent(*c)) {
        if is_word(c) {
            push_lower(&mut folded, c);
        } else if !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    if !folded.ends_with(' ') {
        folded.push(' ');
    }
    folded
}

/// What is to be found for a query: the beginning of each word, and what stands between quotation marks as one.
/// In scripts that do not part words a word is found wherever it stands.
#[must_use]
pub fn needles(query: &str) -> Vec<String> {
    let mut needles = Vec::new();
    for (at, part) in query.split('"').enumerate() {
        let folded = fold(part);
        let words = folded.trim();
        let is_phrase = at % 2 == 1;
        let found: Vec<&str> = if is_phrase { vec![words] } else { words.split(' ').collect() };
        needles.extend(found.into_iter().filter(|word| !word.is_empty()).map(needle));
    }
    needles
}

fn needle(words: &str) -> String {
    let is_anywhere = words.chars().next().is_some_and(|c| is_unparted(c) || !c.is_alphanumeric());
    if is_anywhere { words.to_owned() } else { format!(" {words}") }
}

/// Case goes as far as one letter tells: the two that no lower case alone makes equal are named.
fn push_lower(folded: &mut String, c: char) {
    match c {
        'ß' | 'ẞ' => folded.push_str("ss"),
        'ς' => folded.push('σ'),
        'ı' => folded.push('i'),
        c => folded.extend(c.to_lowercase().filter(|c| !is_accent(*c))),
    }
}

/// Marks that people leave away when they type: accents of Latin, Greek and Cyrillic, vowel points of Hebrew and
/// Arabic. The vowel signs of the scripts of India are letters, and stay.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}')
        || matches!(c, '\u{6d6}'..='\u{6ed}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{fe00}'..='\u{fe0f}')
        || matches!(c, '\u{ad}' | '\u{640}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// Whether a character belongs to words; emoji do, each is one.
fn is_word(c: char) -> bool {
    let parts = c.is_whitespace()
        || c.is_control()
        || c.is_ascii_punctuation()
        || matches!(c, '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}')
        || matches!(c, '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{60c}' | '\u{61b}' | '\u{61f}' | '\u{6d4}')
        || matches!(c, '\u{589}' | '\u{5be}' | '\u{964}' | '\u{965}' | '\u{ff01}'..='\u{ff0f}');
    !parts
}

/// Scripts that write words without spaces between them.
const fn is_unparted(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}')
        || matches!(c, '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
        || matches!(c, '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds(query: &str, text: &str) -> bool {
        let (needles, folded) = (needles(query), fold(text));
        !needles.is_empty() && needles.iter().all(|needle| folded.contains(needle.as_str()))
    }

    #[test]
    fn case_and_diacritics_do_not_count() {
        for (query, text) in [
            ("resume", "My Résumé"),
            ("ÉCOLE", "l’école"),
            ("strasse", "Hauptstraße 1, STRASSE"),
            ("σοφος", "ΣΟΦΌΣ"),
            ("еж", "Ёжик"),
            ("שלום", "שָׁלוֹם"),
            ("محمد", "مُحَمَّد"),
            ("istanbul", "İstanbul"),
            ("fi", "ﬁsh"),
        ] {
            assert!(finds(query, text), "{query} in {text}");
        }
    }

    #[test]
    fn words_are_found_by_their_beginnings_and_phrases_as_a_whole() {
        assert!(finds("meet", "We are meeting, at 8"));
        assert!(!finds("eeting", "We are meeting"));
        assert!(finds("at meet", "We are meeting, at 8"));
        assert!(finds("\"meeting at\"", "We are meeting, at 8"));
        assert!(!finds("\"at meeting\"", "We are meeting, at 8"));
    }

    #[test]
    fn scripts_without_spaces_are_found_anywhere_and_vowels_of_india_count() {
        assert!(finds("駅", "明日駅で") && finds("ตลาด", "ไปตลาดกัน") && finds("カナ", "ｶﾅ"));
        assert!(finds("हिन्दी", "मेरी हिन्दी") && !finds("हन", "हिन्दी"));
        assert!(finds("👋", "hello👋"));
    }

    #[test]
    fn a_query_of_signs_alone_asks_for_nothing() {
        assert_eq!((needles("?! \"\""), needles("")), (Vec::<String>::new(), Vec::new()));
    }

    proptest! {
        #[test]
        fn every_text_is_found_by_each_of_its_words(text in "\\PC{0,40}") {
            let folded = fold(&text);
            prop_assert!(folded.starts_with(' ') && folded.ends_with(' ') && !folded.contains("  "));
            for word in text.split_whitespace() {
                let found = needles(word);
                prop_assert!(found.iter().all(|needle| folded.contains(needle.as_str())), "{word:?} in {folded:?}");
            }
        }

        #[test]
        fn what_is_folded_stays_as_it_is(text in "\\PC{0,40}") {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
