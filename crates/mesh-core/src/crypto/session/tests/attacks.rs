//! The attacks of the security design, by number.

use super::*;

#[test]
fn placeholder() {}
