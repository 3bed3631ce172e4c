//! `starling contacts`: everybody known here.

use super::App;
use starling::api::types::Contact;
use starling::strings::clean_line;
use starling::t;

/// List the people you know, and the requests that wait for your decision.
///
/// Each line: petname (own name), state, tag, account. The states are `request`: wrote to you and waits for accept,
/// decline or block; `added`: you added them, and nothing came back yet; `introduced`: both of you know each other;
/// `verified`: you compared the safety number; `blocked`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(app: &App, _: Args) -> anyhow::Result<()> {
    let contacts: Vec<Contact> =
        app.client().with(async |session| session.get(&["contacts"], &[]).await).await?;
    if contacts.is_empty() {
        app.out.line(&t!("contacts-none"))?;
    }
    for contact in contacts {
        app.out.value(&contact, || describe(&contact))?;
    }
    Ok(())
}

fn describe(contact: &Contact) -> String {
    let name = match &contact.petname {
        Some(petname) if contact.name.is_empty() => clean_line(petname),
        Some(petname) => format!("{} ({})", clean_line(petname), clean_line(&contact.name)),
        None if contact.name.is_empty() => contact.tag.clone(),
        None => clean_line(&contact.name),
    };
    let (state, account) = (contact.state.as_str(), contact.account.as_str());
    format!("{name:<24}  {state:<10}  {:<26}  {account}", contact.tag)
}
