//! The numbers of a trace: times with decimals, and nodes.

use super::{TraceProblem, shortened};

/// The latest time a trace may tell, in seconds: three thousand years.
pub(super) const MAX_SECONDS: u64 = 100_000_000_000;

/// Seconds with decimals, as milliseconds; what is finer is cut off.
pub(super) fn millis(text: &str) -> Result<u64, TraceProblem> {
    let wrong = || TraceProblem::Time { text: shortened(text) };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) || !is_digits(decimals) {
        return Err(wrong());
    }
    let seconds: u64 = whole.parse().map_err(|_| wrong())?;
    if seconds > MAX_SECONDS {
        return Err(wrong());
    }
    let digit = |at: usize| u64::from(decimals.as_bytes().get(at).map_or(0, |digit| digit - b'0'));
    Ok(seconds * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// Milliseconds as seconds, with decimals only where there are any.
pub(super) fn seconds(millis: u64) -> String {
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:03}").trim_end_matches('0').to_owned()
}

/// A node from 0 to `max`.
pub(super) fn node(text: &str, max: u32) -> Result<u32, TraceProblem> {
    let wrong = || TraceProblem::Node { text: shortened(text), max };
    if !is_digits(text) {
        return Err(wrong());
    }
    text.parse().ok().filter(|node| *node <= max).ok_or_else(wrong)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
