//! Groups, from one terminal to another.

use crate::cli_rig::{Node, Person, eventually};
use serde_json::Value;

/// Asha knows Bo and Chandra, who do not know each other; all nodes run.
fn neighbours() -> ((Person, Node), (Person, Node), (Person, Node)) {
    let (asha, bo, chandra) = (Person::new("Asha"), Person::new("Bo"), Person::new("Chandra"));
    let here = asha.start(&["--listen", "127.0.0.1:0"]);
    let meet = |person: &Person, name: &str| {
        let node = person.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]);
        asha.run(&["add", &person.link(), "--name", name, "--json"]).one();
        eventually("the request is there", || {
            person.run(&["contacts", "--json"]).json().into_iter().find(|contact| contact["name"] == "Asha")
        });
        person.run(&["accept", "Asha", "--json"]).one();
        // Whoever is brought into a group is called as they call themselves, once that is known.
        eventually("the name is there", || {
            asha.run(&["contacts", "--json"]).json().into_iter().find(|contact| contact["name"] == name)
        });
        node
    };
    let (there, yonder) = (meet(&bo, "Bo"), meet(&chandra, "Chandra"));
    ((asha, here), (bo, there), (chandra, yonder))
}

/// Waits until a person's program shows the group so.
fn group(person: &Person, fits: impl Fn(&Value) -> bool) -> Value {
    eventually("the group is as it should be", || {
        person.run(&["group", "list", "--json"]).json().into_iter().find(|group| fits(group))
    })
}

/// Waits until a person reads these words in the group.
fn heard(person: &Person, group: &str, words: &str) -> Value {
    eventually("the words are there", || {
        let messages = person.run(&["messages", group, "--peek", "--json"]);
        messages.json().into_iter().find(|message| message["text"] == words)
    })
}

#[test]
fn three_people_talk_in_a_group_until_one_is_put_out() {
    let ((asha, _here), (bo, _there), (chandra, _yonder)) = neighbours();
    let made = asha.run(&["group", "create", "Street", "--member", "Bo", "Chandra", "--json"]).one();
    assert_eq!((&made["role"], made["members"].as_array().unwrap().len()), (&"admin".into(), 3));
    for person in [&bo, &chandra] {
        let seen = group(person, |group| group["name"] == "Street");
        assert_eq!((&seen["group"], &seen["state"]), (&made["group"], &made["state"]));
    }
    asha.run(&["send", "Street", "hello street", "--json"]).one();
    heard(&bo, "street", "hello street");
    let sent = chandra.run(&["send", "Street", "hello from Chandra", "--json"]).one();
    let read = heard(&bo, "Street", "hello from Chandra");
    assert_eq!((&read["from"], &read["conversation"]), (&"Chandra".into(), &made["group"]));
    assert!(bo.run(&["messages", "--peek"]).stdout.contains("Chandra in Street: hello from Chandra"));
    let id = sent["id"].as_str().unwrap();
    bo.run(&["react", id, "!", "--json"]).one();
    eventually("both have it", || {
        let info = chandra.run(&["info", id, "--json"]).one();
        (info["state"] == "delivered" && info["recipients"].as_array().unwrap().len() == 2).then_some(())
    });
    let members = bo.run(&["group", "members", "Street"]).stdout;
    assert!(members.starts_with("Asha  admin") && members.contains("me  member"), "{members}");
    bo.run(&["group", "remove", "Street", "Chandra"]).fails(1, &["admins"]);
    let blocked = bo.run(&["block", "Chandra", "--json"]).one();
    assert_eq!((&blocked["name"], &blocked["state"]), (&"Chandra".into(), &"blocked".into()));
    bo.run(&["block", "Nobody"]).fails(3, &["Nobody"]);
    asha.run(&["group", "remove", "Street", "Chandra", "--json"]).one();
    group(&chandra, |group| group["role"] == "left");
    group(&bo, |group| group["members"].as_array().unwrap().len() == 2);
    asha.run(&["send", "Street", "just us", "--json"]).one();
    heard(&bo, "Street", "just us");
    chandra.run(&["send", "Street", "still here?"]).fails(1, &["not in this group"]);
    assert!(!chandra.run(&["messages", "Street", "--peek"]).stdout.contains("just us"));
    chandra.run(&["group", "forget", "Street", "--json"]).one();
    chandra.run(&["group", "members", "Street"]).fails(3, &["Street"]);
}

#[test]
fn a_group_is_called_and_ordered_as_its_admins_want() {
    let ((asha, _here), (bo, _there), _chandra) = neighbours();
    asha.run(&["group", "create", "Street", "--member", "Bo", "--json"]).one();
    group(&bo, |group| group["name"] == "Street");
    asha.run(&["group", "set", "Street"]).fails(2, &["--about"]);
    let set = ["group", "set", "Street", "--name", "Lane", "--about", "Ours", "--only-admins-post", "true"];
    asha.run(&[&set[..], &["--json"]].concat()).one();
    let seen = group(&bo, |group| group["only_admins_post"] == true);
    assert_eq!((&seen["name"], &seen["about"]), (&"Lane".into(), &"Ours".into()));
    bo.run(&["send", "Lane", "may I?"]).fails(1, &["only admins"]);
    asha.run(&["group", "promote", "Lane", "Bo", "--json"]).one();
    group(&bo, |group| group["role"] == "admin");
    bo.run(&["send", "Lane", "thanks", "--json"]).one();
    heard(&asha, "Lane", "thanks");
    asha.run(&["group", "leave", "Lane", "--json"]).one();
    group(&bo, |group| group["members"].as_array().unwrap().len() == 1);
    bo.run(&["group", "add", "Lane", "Nobody"]).fails(3, &["Nobody"]);
}
