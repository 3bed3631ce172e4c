//! Search and pages, from a terminal.

use crate::cli_rig::Person;

/// Asha, who wrote to Bo and to Cy; no node runs.
fn writer() -> Person {
    let (asha, bo, cy) = (Person::new("Asha"), Person::new("Bo"), Person::new("Cy"));
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    asha.run(&["add", &cy.link(), "--name", "Cy", "--json"]).one();
    for (who, text) in [("Bo", "The Résumé is ready"), ("Cy", "no boat today"), ("Bo", "boat at 8?")] {
        asha.run(&["send", who, text, "--json"]).one();
    }
    asha
}

#[test]
fn messages_are_found_by_words_person_date_and_kind_also_where_no_node_runs() {
    let asha = writer();
    let texts = |args: &[&str]| -> Vec<String> {
        let found = asha.run(&[&["search", "--json"], args].concat()).json();
        found.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts(&["resume"]), ["The Résumé is ready"]);
    assert_eq!(texts(&["BOA"]), ["boat at 8?", "no boat today"]);
    assert_eq!(texts(&["boat", "--in", "Cy"]), ["no boat today"]);
    assert_eq!(texts(&["boat", "--from", "me", "--since", "1h"]).len(), 2);
    assert_eq!(texts(&["boat", "--from", "Bo"]).len(), 0);
    assert_eq!(texts(&["boat", "--until", "1h"]).len(), 0);
    asha.run(&["poll", "Bo", "Where?", "the boat", "the pier", "--json"]).one();
    assert_eq!(texts(&["--kind", "poll"]), ["Where?"]);
    assert_eq!(texts(&["pier"]), ["Where?"], "the options of a poll are words of it");
    asha.run(&["search"]).fails(2, &["Say what to look for"]);
    asha.run(&["search", "x", "--in", "Nobody"]).fails(3, &["Nobody"]);
    assert!(asha.run(&["search", "zebra"]).stdout.contains("Nothing"));
}

#[test]
fn what_was_taken_back_is_found_no_more_and_nothing_of_a_search_lies_on_the_disk() {
    let asha = writer();
    let node = asha.start(&["--listen", "127.0.0.1:0"]);
    let id = asha.run(&["search", "today", "--json"]).one()["id"].as_str().unwrap().to_owned();
    asha.run(&["delete", &id, "--for-everyone", "--json"]).one();
    assert_eq!(asha.run(&["search", "today", "--json"]).json().len(), 0);
    let sent = asha.run(&["send", "Bo", "a word just now: zanzibar", "--json"]).one();
    assert_eq!(asha.run(&["search", "zanzi", "--json"]).one()["id"], sent["id"]);
    assert_eq!(node.interrupt(), 0);
    let files =
        std::process::Command::new("grep").args(["-rlai", "zanzibar"]).arg(asha.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&files.stdout), "");
    assert_eq!(asha.run(&["search", "zanzi", "--json"]).one()["id"], sent["id"], "after a restart too");
}

#[test]
fn pages_go_both_ways_from_a_message() {
    let asha = writer();
    for n in 0..6 {
        asha.run(&["send", "Bo", &format!("n{n}"), "--json"]).one();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let data = starling::config::DataDir::new(asha.path());
    let client = starling::client::Client::new(data, starling::home::Secret::default());
    let page = |query: &[(&str, &str)]| -> Vec<(String, String)> {
        let query = [&[("with", "Bo")], query].concat();
        let got =
            client.with(async |session| session.get::<Vec<serde_json::Value>>(&["messages"], &query).await);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        runtime.block_on(got).unwrap().iter().map(|m| (text(&m["id"]), text(&m["text"]))).collect()
    };
    let texts = |page: &[(String, String)]| page.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    let last = page(&[("last", "2")]);
    assert_eq!(texts(&last), ["n4", "n5"]);
    let earlier = page(&[("before", &last[0].0), ("last", "3")]);
    assert_eq!(texts(&earlier), ["n1", "n2", "n3"]);
    assert_eq!(texts(&page(&[("after", &earlier[2].0), ("first", "1")])), ["n4"]);
    assert_eq!(texts(&page(&[("after", &last[1].0)])), Vec::<String>::new());
    let wrong = client.with(async |session| {
        session.get::<serde_json::Value>(&["messages"], &[("after", &last[0].0), ("last", "1")]).await
    });
    assert!(runtime.block_on(wrong).is_err());
}
