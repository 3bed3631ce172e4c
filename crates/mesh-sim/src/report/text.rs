//! Numbers and names as people read them, safe inside HTML.

/// `text` with everything that HTML would read as markup escaped, in text and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A string as JSON that can stand inside a script element.
pub(crate) fn json_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A span of time in a unit of which there are at least two: `0.4 s`, `97 s`, `3.5 min`, `2 h`, `4 d`.
pub(crate) fn span(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        s if s < 120.0 => (seconds, "s"),
        s if s < 7_200.0 => (seconds / 60.0, "min"),
        s if s < 172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", short(value))
}

/// A number with three significant digits and a suffix for thousands: `0.213`, `17`, `1.2 k`, `30 M`.
pub(crate) fn amount(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        v if v < 10_000.0 => (value, ""),
        v if v < 1e7 => (value / 1e3, " k"),
        v if v < 1e10 => (value / 1e6, " M"),
        _ => (value / 1e9, " G"),
    };
    format!("{}{suffix}", short(value))
}

/// Bytes in their fitting unit, thousands counted by 1,000.
pub(crate) fn bytes(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        v if v < 1_000.0 => (value, " B"),
        v if v < 1e6 => (value / 1e3, " kB"),
        v if v < 1e9 => (value / 1e6, " MB"),
        _ => (value / 1e9, " GB"),
    };
    format!("{}{suffix}", short(value))
}

/// A share in per cent, one digit behind the point.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", trimmed(share * 100.0, 1))
}

fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => trimmed(value, 0),
        v if v >= 10.0 => trimmed(value, 1),
        v if v >= 1.0 => trimmed(value, 2),
        _ => trimmed(value, 3),
    }
}

/// With at most `digits` behind the point and no zeros at the end.
pub(crate) fn trimmed(value: f64, digits: usize) -> String {
    let written = format!("{value:.digits$}");
    if !written.contains('.') {
        return written;
    }
    let kept = written.trim_end_matches('0').trim_end_matches('.');
    if kept == "-0" { "0".to_owned() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_only_text() {
        assert_eq!(escape("<b a=\"'&\u{1b}"), "&lt;b a=&quot;&#39;&amp;\u{fffd}");
        assert_eq!(json_string("</script>\"\n"), "\"\\u003c/script\\u003e\\u0022\\u000a\"");
    }

    #[test]
    fn spans_and_amounts_are_short() {
        assert_eq!(
            [span(0.41), span(97.0), span(210.0), span(7_200.0), span(345_600.0)],
            ["0.41 s", "97 s", "3.5 min", "2 h", "4 d"]
        );
        assert_eq!(
            [amount(0.2134), amount(17.0), amount(12_345.0), amount(3e7)],
            ["0.213", "17", "12.3 k", "30 M"]
        );
        assert_eq!([bytes(512.0), bytes(51_200.0), percent(0.981)], ["512 B", "51.2 kB", "98.1 %"]);
    }
}
