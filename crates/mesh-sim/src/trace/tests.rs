use mesh_core::rng::Rng;
use proptest::prelude::*;

use super::*;
use crate::Audience;

const SMALL: &str = "# nodes: 4\n0 20 1 3\n\n12.5 40 2 0\n";

#[test]
fn contacts_are_read_in_the_order_of_the_file_with_the_smaller_node_first() {
    let trace = Trace::parse("small.txt", SMALL).unwrap();
    assert_eq!(trace.nodes, 4);
    let expected =
        [Contact { start: 0, end: 20_000, a: 1, b: 3 }, Contact { start: 12_500, end: 40_000, a: 0, b: 2 }];
    assert_eq!(trace.contacts, expected);
    assert_eq!(trace.end(), 40_000);
}

#[test]
fn a_written_trace_is_read_as_it_was() {
    let trace = Trace::parse("small.txt", SMALL).unwrap();
    let written = trace.write(&["name: small"]);
    assert!(written.starts_with("# name: small\n# nodes: 4\n# contacts: 2\n"));
    assert_eq!(Trace::parse("again.txt", &written).unwrap(), trace);
}

#[test]
fn the_format_is_told_by_the_first_line() {
    assert!(matches!(parse("a", "# x\n0 20 1 2\n"), Ok(AnyTrace::Contacts(_))));
    assert!(matches!(parse("a", "# x\n1.0 CONN 1 2 up\n"), Ok(AnyTrace::Events(_))));
}

#[test]
fn events_become_contacts_and_drafts() {
    let text = "1.00 CONN 3 1 up\n2.0 C M1 p0 p2 500\n9 CONN 1 3 down\n9 CONN 0 2 up\n10 C M2 1 0 5\n";
    let AnyTrace::Events(events) = parse("events", text).unwrap() else { panic!("events were expected") };
    let trace = events.trace();
    assert_eq!(trace.nodes, 4);
    let expected =
        [Contact { start: 1000, end: 9000, a: 1, b: 3 }, Contact { start: 9000, end: 11_000, a: 0, b: 2 }];
    assert_eq!(trace.contacts, expected);
    let drafts = events.drafts();
    assert_eq!(drafts.len(), 2);
    assert_eq!((drafts[0].number, drafts[0].at, drafts[0].from, drafts[0].bytes), (0, 2000, 0, 500));
    assert_eq!(drafts[0].to, Audience::One(2));
}

#[test]
fn a_wrong_line_is_named_with_what_is_allowed() {
    let cases = [
        ("", "f, line 1: the file holds no contact; allowed are lines `start_s end_s a b`"),
        ("# only comments\n", "f, line 1: the file holds no contact"),
        ("0 20 1 2\n0 20 1\n", "f, line 2: `0 20 1` has 3 fields; allowed is `start_s end_s a b`"),
        (
            "0 20 1 2\n30 40",
            "f, line 2: the file ends within this line: `30 40`; allowed is `start_s end_s a b`",
        ),
        ("x 20 1 2\n", "f, line 1: `x` is no time; allowed are seconds from 0 to"),
        ("-5 20 1 2\n", "f, line 1: `-5` is no time"),
        ("0 1e3 1 2\n", "f, line 1: `1e3` is no time"),
        ("0 20 1 -2\n", "f, line 1: `-2` is no node; allowed are whole numbers from 0 to 999999"),
        ("0 20 1 1000000\n", "f, line 1: `1000000` is no node; allowed are whole numbers from 0 to 999999"),
        ("# nodes: 3\n0 20 1 3\n", "f, line 2: `3` is no node; allowed are whole numbers from 0 to 2"),
        ("# nodes: many\n", "f, line 1: `many` is no count; allowed is `# nodes: N`"),
        ("0 20 2 2\n", "f, line 1: node 2 stands on both sides; allowed are two different nodes"),
        (
            "20 20 1 2\n",
            "f, line 1: the contact ends at 20 and begins at 20; allowed is an end after the start",
        ),
        ("1 CONN 1 2 up\n2 DE M1 1 2\n", "f, line 2: `DE` is no event; allowed are CONN"),
        (
            "1 CONN 1 2 sideways\n",
            "f, line 1: `sideways` is no state of a connection; allowed are `up` and `down`",
        ),
        ("1 CONN 1 2\n", "f, line 1: `1 CONN 1 2` has 4 fields; allowed is `t CONN a b up|down`"),
        ("1 CONN 1 2 up\n2 CONN 1 2 do", "f, line 2: the file ends within this line"),
        ("1 C M1 1 2 0\n", "f, line 1: `0` is no size; allowed are whole numbers of bytes from 1 to"),
        (
            "2 CONN 1 2 up\n1 CONN 1 2 down\n",
            "f, line 2: this event is at 1, the one before it at 2; allowed are",
        ),
    ];
    for (text, expected) in cases {
        let told = parse("f", text).unwrap_err().to_string();
        assert!(told.starts_with(expected), "{text:?} told: {told}");
    }
}

#[test]
fn a_file_cut_within_its_last_line_is_refused_and_a_shortened_one_is_noted() {
    let cut = "# contacts: 3\n0 20 1 2\n40 60 1 22";
    let told = parse("f", cut).unwrap_err().to_string();
    assert_eq!(told, "f, line 3: the file ends after 2 contacts; its header promises 3. Was it cut off?");
    let AnyTrace::Contacts(shortened) = parse("f", &format!("{cut}\n")).unwrap() else { panic!("contacts") };
    assert_eq!(shortened.notes, ["the header promises 3 contacts, the file holds 2"]);
}

#[test]
fn a_log_from_the_field_names_nobody_and_is_numbered_anew() {
    let mut log = FieldLog::alone(Rng::new([1; 32]));
    let (me, you) = (log.number(b"me"), log.number(b"you"));
    assert_ne!(me, you);
    assert_eq!(log.number(b"me"), me);
    let text = log.header(1_700_000_000) + &FieldLog::line(500, 9_250, me, you).unwrap();
    assert!(!text.contains("1700000000"), "a log that stands alone does not tell when it was written");
    let trace = Trace::parse("log", &text).unwrap();
    assert_eq!(trace.nodes, 2);
    assert_eq!(trace.contacts, [Contact { start: 500, end: 9_250, a: 0, b: 1 }]);
    assert_eq!(FieldLog::line(5, 5, 1, 2), None);
}

#[test]
fn other_numbers_are_drawn_for_another_log() {
    let numbers = |seed| FieldLog::alone(Rng::new([seed; 32])).number(b"me");
    assert_ne!(numbers(1), numbers(2));
}

#[test]
fn logs_of_both_ends_become_one_contact() {
    let line = |log: &mut FieldLog, me: &[u8], start, end, link: &[u8]| {
        let (me, link) = (log.number(me), log.number(link));
        FieldLog::line(start, end, me, link).unwrap()
    };
    let (mut mine, mut yours) = (FieldLog::keyed([7; 32]), FieldLog::keyed([7; 32]));
    let first = mine.header(1_000_250)
        + &line(&mut mine, b"me", 5_000, 20_000, b"link 1")
        + &line(&mut mine, b"me", 0, 1_000, b"link to somebody without a log");
    let second = yours.header(1_002_250) + &line(&mut yours, b"you", 3_500, 17_000, b"link 1");
    let trace = merge(&[("a", &first), ("b", &second)]).unwrap();
    assert_eq!(trace.contacts, [Contact { start: 5_500, end: 19_000, a: 0, b: 1 }]);
    assert_eq!(trace.nodes, 2);
    assert_eq!(trace.notes, ["1 links are told of by one end only and left out"]);
}

#[test]
fn clocks_that_differ_by_more_than_a_contact_are_told() {
    let (mut mine, mut yours) = (FieldLog::keyed([7; 32]), FieldLog::keyed([7; 32]));
    let (me, you, link) = (mine.number(b"me"), yours.number(b"you"), mine.number(b"link"));
    let first = mine.header(0) + &FieldLog::line(0, 5_000, me, link).unwrap();
    let second = yours.header(60_000) + &FieldLog::line(0, 5_000, you, link).unwrap();
    let trace = merge(&[("a", &first), ("b", &second)]).unwrap();
    assert!(trace.contacts.is_empty() && trace.notes[0].contains("clocks differ"), "{trace:?}");
}

#[test]
fn logs_without_a_common_key_are_not_merged() {
    let mut log = FieldLog::alone(Rng::new([1; 32]));
    let (a, b) = (log.number(b"a"), log.number(b"b"));
    let text = log.header(0) + &FieldLog::line(0, 1, a, b).unwrap();
    let told = merge(&[("log", &text)]).unwrap_err().to_string();
    assert!(told.starts_with("log, line 1: this log's numbers hold for itself alone"), "{told}");
}

proptest! {
    #[test]
    fn any_trace_survives_being_written(spans in prop::collection::vec((0_u64..1 << 40, 1_u64..1 << 30, 0_u32..50, 0_u32..50), 1..40)) {
        let contacts: Vec<Contact> = spans.into_iter().filter(|span| span.2 != span.3)
            .map(|(start, long, a, b)| Contact { start, end: start + long, a: a.min(b), b: a.max(b) }).collect();
        prop_assume!(!contacts.is_empty());
        let nodes = contacts.iter().map(|contact| contact.b + 1).max().unwrap();
        let trace = Trace { nodes, contacts, notes: Vec::new() };
        prop_assert_eq!(Trace::parse("f", &trace.write(&[])).unwrap(), trace);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}", lines in "([0-9. CONupdwM#-]{0,20}\n){0,6}") {
        let _ = parse("f", &text);
        let _ = parse("f", &lines);
        let _ = merge(&[("f", &lines)]);
    }
}
