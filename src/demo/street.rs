//! The second act: a group that splits and heals.

use super::story::{ASHA, BO, DINA, Sent, Story, YOU};
use mesh_core::border::{GroupCommand, GroupProperty};
use mesh_core::view::MessageState;
use mesh_core::{Command, GroupId, MessageId, Reply};
use starling::t;

/// Everybody in the group.
const STREET: [usize; 3] = [YOU, DINA, ASHA];

impl Story {
    /// You, Dina and Asha make a group; each side goes on alone, and the sides come to one.
    pub(super) async fn street(&mut self) -> anyhow::Result<()> {
        self.dina_is_added().await?;
        let group = self.group_begins().await?;
        self.command(YOU, property(group, GroupProperty::Name(t!("demo-street-renamed")))).await?;
        self.happened("renamed", YOU, None, None, t!("demo-renamed", name = t!("demo-street-renamed")))
            .await?;
        let here = self.say(YOU, group, &t!("demo-text-west")).await?;
        let there = self.say(ASHA, group, &t!("demo-text-east")).await?;
        self.side_hears(DINA, YOU, here).await?;
        self.happened("split", ASHA, None, None, t!("demo-split")).await?;
        self.bridge_opens().await?;
        self.side_hears(ASHA, YOU, here).await?;
        self.side_hears(DINA, ASHA, there).await?;
        self.side_hears(YOU, ASHA, there).await?;
        let views = self.people[YOU].wait_for_group(group, |_| true).await?;
        for at in [DINA, ASHA] {
            self.people[at].wait_for_group(group, |view| view.state == views.state).await?;
        }
        self.happened("healed", YOU, None, None, t!("demo-healed")).await?;
        self.home_comes(here, YOU).await
    }

    async fn dina_is_added(&mut self) -> anyhow::Result<()> {
        let link = self.people[DINA].link().await?;
        let you = self.people[YOU].account().await?;
        self.command(YOU, Command::Add { link, petname: None }).await?;
        self.happened("added", YOU, Some(DINA), None, t!("demo-added-dina")).await?;
        self.people[DINA].wait_for_request(you).await?;
        self.command(DINA, Command::Accept { account: you }).await?;
        self.happened("accepted", DINA, Some(YOU), None, t!("demo-accepted-dina")).await
    }

    async fn group_begins(&mut self) -> anyhow::Result<GroupId> {
        let members = vec![self.people[DINA].account().await?, self.people[ASHA].account().await?];
        let name = t!("demo-street");
        let create = GroupCommand::Create { name: name.clone(), members };
        let Reply::Group(group) = self.people[YOU].command(Command::Group(create)).await? else {
            anyhow::bail!(t!("demo-stuck", name = self.people[YOU].name));
        };
        self.happened("group", YOU, None, None, t!("demo-group", name = name)).await?;
        self.people[DINA].wait_for_group(group, |view| view.members.len() == STREET.len()).await?;
        self.happened("joined", DINA, Some(YOU), None, t!("demo-joined", name = "Dina")).await?;
        self.people[BO].wait_for_carried(1).await?;
        self.bo_walks().await?;
        self.people[ASHA].wait_for_group(group, |view| view.members.len() == STREET.len()).await?;
        self.happened("joined", ASHA, Some(BO), None, t!("demo-joined", name = "Asha")).await?;
        Ok(group)
    }

    async fn say(&mut self, by: usize, group: GroupId, text: &str) -> anyhow::Result<MessageId> {
        let id = self.people[by].send(group, text).await?;
        self.sent.push(Sent { by, id });
        let detail =
            t!("demo-wrote", name = self.people[by].name, to = t!("demo-street-renamed"), text = text);
        self.happened("sent", by, None, Some(id), detail).await?;
        self.people[by].wait_for_state(id, MessageState::HandedOn).await?;
        Ok(id)
    }

    async fn side_hears(&self, to: usize, by: usize, id: MessageId) -> anyhow::Result<()> {
        let message = self.people[to].wait_for_message(id).await?;
        let (name, from) = (self.people[to].name, self.people[by].name);
        let detail = t!("demo-received", name = name, from = from, text = message.text);
        self.happened("received", to, Some(by), Some(id), detail).await
    }

    async fn bridge_opens(&mut self) -> anyhow::Result<()> {
        let sides = [self.addresses[YOU], self.addresses[ASHA]];
        self.people[DINA].leave().await?;
        self.people[DINA].arrive(&sides).await?;
        self.people[DINA].wait_for_links(sides.len()).await?;
        self.happened("bridge", DINA, Some(ASHA), None, t!("demo-bridge")).await
    }

    async fn command(&self, at: usize, command: Command) -> anyhow::Result<()> {
        self.people[at].command(command).await.map(drop)
    }
}

fn property(group: GroupId, property: GroupProperty) -> Command {
    Command::Group(GroupCommand::Set { group, property })
}
