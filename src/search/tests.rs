use super::*;
use crate::daemon::{Clock, Daemon, Parts, Storage as _, Switch};
use mesh_core::{Command, Config, Memory, Node, Now, Remark, Reply, Time};

/// A node with one contact and no network.
struct Rig {
    daemon: Daemon,
    searcher: Searcher,
    to: ConversationId,
}

impl Rig {
    async fn new() -> Self {
        let memory = Memory::default();
        let (_, transport_events) = tokio::sync::mpsc::channel(1);
        let (config, clock, transport) = (Config::default(), Clock, Switch::default());
        let node = Node::create(Config::default(), [7; 32], clock.now(), "Asha", memory.reader()).unwrap();
        let parts = Parts { node, config, storage: Arc::new(memory), transport_events, transport, clock };
        let daemon = Daemon::start(parts).unwrap();
        let now = Now { mono: Time(0), wall: Wall(0) };
        let bo = Node::create(Config::default(), [8; 32], now, "Bo", Box::new(Memory::default())).unwrap();
        let added = Command::Add { link: bo.identity().link, petname: None };
        let Ok(Reply::Contact(to)) = daemon.handle().command(added).await else { panic!("Bo is added") };
        let searcher = Searcher::new(daemon.handle().clone());
        Self { searcher, to: to.into(), daemon }
    }

    async fn send(&self, text: &str) -> mesh_core::MessageId {
        let send = Command::Send { to: self.to, text: text.into(), message: None };
        match self.daemon.handle().command(send).await {
            Ok(Reply::Sent(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    async fn remark(&self, message: mesh_core::MessageId, remark: Remark) {
        let remark = Command::Remark { message, within: None, remark };
        self.daemon.handle().command(remark).await.unwrap();
    }

    async fn found(&self, words: &str) -> Vec<String> {
        let query = Query { needles: fold::needles(words), ..Query::default() };
        self.searcher.find(&query, 0, 100, |_, view| view.text.clone()).await.unwrap().messages
    }
}

#[tokio::test]
async fn what_was_written_before_the_first_search_and_after_it_is_found_at_once() {
    let rig = Rig::new().await;
    rig.send("the boat at eight").await;
    assert_eq!(rig.found("boat").await, ["the boat at eight"]);
    rig.send("or the Boat at nine").await;
    assert_eq!(rig.found("boat").await, ["or the Boat at nine", "the boat at eight"]);
    rig.daemon.stop().await;
}

#[tokio::test]
async fn more_arrivals_than_the_feed_remembers_are_found_at_once() {
    let rig = Rig::new().await;
    assert_eq!(rig.found("number").await.len(), 0);
    for n in 0..crate::config::MAX_EVENT_LAG + 100 {
        rig.send(&format!("number {n}")).await;
    }
    assert_eq!(rig.found("\"number 1123\"").await, ["number 1123"]);
    assert_eq!(rig.found("\"number 0\"").await, ["number 0"]);
    rig.daemon.stop().await;
}

#[tokio::test]
async fn other_words_are_found_and_the_earlier_ones_and_those_taken_back_are_not() {
    let rig = Rig::new().await;
    let id = rig.send("the boat").await;
    assert_eq!(rig.found("boat").await.len(), 1);
    rig.remark(id, Remark::Edit("the train".into())).await;
    assert_eq!((rig.found("boat").await.len(), rig.found("train").await.len()), (0, 1));
    rig.remark(id, Remark::Delete).await;
    assert_eq!(rig.found("train").await.len(), 0);
    rig.daemon.stop().await;
}

#[tokio::test]
async fn pages_of_what_is_found_follow_each_other_and_the_last_says_so() {
    let rig = Rig::new().await;
    for n in 0..5 {
        rig.send(&format!("boat {n}")).await;
    }
    let query = Query { needles: fold::needles("boat"), ..Query::default() };
    let page = async |skip| rig.searcher.find(&query, skip, 2, |_, view| view.text.clone()).await.unwrap();
    let (first, last) = (page(0).await, page(4).await);
    assert_eq!((first.messages, first.more), (vec!["boat 4".to_owned(), "boat 3".to_owned()], true));
    assert_eq!((last.messages, last.more, last.whole), (vec!["boat 0".to_owned()], false, true));
    rig.daemon.stop().await;
}
