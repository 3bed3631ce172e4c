//! Getting into groups by links, from one terminal to another.

use crate::cli_rig::{Person, eventually};

#[test]
fn a_link_lets_people_into_a_group_at_once_or_after_a_decision() {
    let (asha, bo, chandra) = (Person::new("Asha"), Person::new("Bo"), Person::new("Chandra"));
    let here = asha.start(&["--listen", "127.0.0.1:0"]);
    let _there = bo.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]);
    let _yonder = chandra.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]);
    asha.run(&["group", "create", "Street", "--json"]).one();
    let open = asha.run(&["group", "link", "Street", "--uses", "1", "--no-qr", "--json"]).one();
    let link = open["link"].as_str().unwrap();
    assert!(link.starts_with("STARLING-GROUP:1/") && open["uses_left"] == 1);
    assert!(asha.run(&["group", "link", "Street"]).stderr.contains('█'), "a QR code stands beside it");
    let state = |person: &Person, state: &str| {
        eventually("the answer is there", || {
            let asks = person.run(&["group", "joins", "--json"]).json();
            asks.into_iter().find(|ask| ask["name"] == "Street" && ask["state"] == state)
        })
    };
    let asked = bo.run(&["group", "join", link, "--json"]).one();
    assert_eq!(asked["name"], "Street");
    state(&bo, "joined");
    asha.run(&["send", "Street", "hello Bo", "--json"]).one();
    eventually("Bo reads the group", || {
        let messages = bo.run(&["messages", "Street", "--peek", "--json"]).json();
        messages.into_iter().find(|message| message["text"] == "hello Bo")
    });
    chandra.run(&["group", "join", link, "--json"]).one();
    state(&chandra, "used_up");
    let decided =
        asha.run(&["group", "link", "Street", "--approve", "--for", "1d", "--no-qr", "--json"]).one();
    chandra.run(&["group", "join", decided["link"].as_str().unwrap(), "--json"]).one();
    state(&chandra, "waits");
    let waiting = asha.run(&["group", "requests", "Street", "--json"]).one();
    assert_eq!((&waiting["name"], &waiting["was_member"]), (&"Chandra".into(), &false.into()));
    asha.run(&["group", "approve", "Street", "Nobody"]).fails(3, &["Nobody"]);
    asha.run(&["group", "approve", "Street", "Chandra", "--json"]).one();
    state(&chandra, "joined");
    assert_eq!(asha.run(&["contacts", "--json"]).json().len(), 0, "nobody became a contact");
    let number = decided["number"].to_string();
    asha.run(&["group", "unlink", "Street", &number, "--json"]).one();
    let links = asha.run(&["group", "links", "Street", "--json"]).json();
    assert!(links.iter().all(|link| link["number"] != decided["number"]));
    bo.run(&["group", "join", "STARLING-GROUP:1/AAAA"]).fails(2, &["damaged"]);
    bo.run(&["group", "join", link]).fails(1, &["in this group"]);
}
