use super::*;
use crate::crypto::own::OwnIdentity;
use crate::crypto::ratchet::Fake;
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::time::Now;
use proptest::prelude::*;
use std::sync::LazyLock;

static LINK: LazyLock<ContactLink> = LazyLock::new(|| {
    let mut out = Outbox::default();
    let own = OwnIdentity::create(&mut Rng::new([1; 32]), &Fake, Now::default(), &mut out).unwrap();
    ContactLink::new(own.intro().clone(), Invite([7; 16]))
});

#[test]
fn a_link_has_373_bytes_and_608_characters() {
    assert_eq!(LINK.to_bytes().len(), 373);
    assert_eq!(LINK.to_text().len(), 608);
}

#[test]
fn a_link_holds_only_characters_of_alphanumeric_qr_codes() {
    let fits = |c: char| matches!(c, 'A'..='Z' | '0'..='9' | ':' | '/');
    assert!(LINK.to_text().chars().all(fits));
}

#[test]
fn golden_link() {
    // The intro inside depends on the ratchet; its bytes have vectors of their own.
    let bytes = LINK.to_bytes();
    let intro = codec::encode(&LINK.intro().to_intro());
    assert_eq!(bytes[0], check(&bytes[1..]));
    assert_eq!(bytes[1..357], intro);
    assert_eq!(bytes[357..], [7; 16]);
    assert_eq!(check(b"golden"), 20);
    let fixed = ContactLink::from_text(include_str!("fixtures/link.txt")).unwrap();
    assert_eq!(fixed.to_text(), include_str!("fixtures/link.txt").trim());
    assert_eq!(fixed.invite(), Invite([7; 16]));
}

#[test]
fn a_link_comes_back_in_any_case_and_with_space_around_it() {
    let text = LINK.to_text();
    for form in
        [text.clone(), text.to_lowercase(), format!("\n  {text}\r\n"), format!("Starling{}", &text[8..])]
    {
        assert_eq!(ContactLink::from_text(&form).as_ref(), Ok(&*LINK));
    }
}

#[test]
fn attack_40_foreign_texts_are_named_as_such() {
    for text in [
        "",
        "file:///etc/passwd",
        "https://example.org/1/",
        "STARLING",
        "hello",
        "\u{1f426}\u{1f426}\u{1f426}x",
    ] {
        assert_eq!(ContactLink::from_text(text), Err(LinkError::Foreign), "{text}");
    }
}

#[test]
fn attack_40_a_newer_version_is_named_as_such() {
    assert_eq!(ContactLink::from_text("STARLING:2/ABCDEFGHIJKL"), Err(LinkError::Version));
    assert_eq!(ContactLink::from_text("starling:9/ABCDEFGHIJKL"), Err(LinkError::Version));
}

#[test]
fn attack_40_an_oversized_text_is_refused_unread() {
    let text = format!("{LINK_PREFIX}{}", "A".repeat(2_000_000));
    assert_eq!(ContactLink::from_text(&text), Err(LinkError::TooLong { got: text.len() }));
}

#[test]
fn attack_40_control_and_foreign_characters_are_named_with_their_place() {
    let text = LINK.to_text();
    for alien in ['\u{7}', ' ', '\n', '\0', '\u{202e}', '%', '1', 'ä'] {
        let changed = format!("{}{alien}{}", &text[..100], &text[101..]);
        assert_eq!(ContactLink::from_text(&changed), Err(LinkError::Character { at: 101 }), "{alien:?}");
    }
}

#[test]
fn attack_40_a_link_cut_short_or_lengthened_is_damaged() {
    let text = LINK.to_text();
    for len in LINK_PREFIX.len()..text.len() {
        assert!(ContactLink::from_text(&text[..len]).is_err(), "{len} characters");
    }
    assert!(ContactLink::from_text(&format!("{text}A")).is_err());
    assert!(ContactLink::from_text(&format!("{text}{}", &text[11..])).is_err());
}

#[test]
fn attack_10_a_link_whose_check_was_repaired_still_needs_its_signatures() {
    let mut bytes = LINK.to_bytes();
    bytes[40] ^= 1;
    bytes[0] = check(&bytes[1..]);
    assert!(matches!(ContactLink::from_bytes(&bytes), Err(LinkError::Identity(_))));
}

#[test]
fn debug_does_not_show_the_invite() {
    let shown = format!("{:?}", *LINK);
    assert!(!shown.contains('7') || shown.len() < 80, "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in any::<String>(), ours: bool) {
        let text = if ours { format!("{LINK_PREFIX}{text}") } else { text };
        prop_assert!(ContactLink::from_text(&text).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let [first, rest @ ..] = &mut bytes[..] {
            *first = check(rest);
        }
        prop_assert!(ContactLink::from_bytes(&bytes).is_err());
    }

    #[test]
    fn attack_40_a_changed_character_is_noticed(at in 11usize..582, to in "[A-Z2-7]") {
        let mut text = LINK.to_text();
        prop_assume!(text[at..=at] != to);
        text.replace_range(at..=at, &to);
        prop_assert!(ContactLink::from_text(&text).is_err());
    }
}
