//! Two people and one cable: all that a program around the core has to do.
//!
//! `cargo run -p mesh-core --example two_nodes`

use mesh_core::view::MessageState;
use mesh_core::{
    Command, CommandId, Config, Event, Input, LinkId, Memory, Node, Now, Output, Profile, Role, StartError,
    Time, Wall,
};
use std::time::Duration;

const CABLE: LinkId = LinkId(1);

/// A node with its disk, here in memory, and the frames that wait to be carried over the cable.
struct Person {
    node: Node,
    disk: Memory,
    frames: Vec<Vec<u8>>,
}

impl Person {
    fn new(name: &str, seed: [u8; 32], now: Now) -> Result<Self, StartError> {
        let disk = Memory::default();
        let node = Node::create(Config::default(), seed, now, name, Box::new(disk.clone()))?;
        Ok(Self { node, disk, frames: vec![] })
    }

    /// One input, then its outputs: store, send, tell.
    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.node.handle(now, input);
        let (mut batch, mut effects) = (vec![], vec![]);
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Store(op) => batch.push(op),
                effect => effects.push(effect),
            }
        }
        self.disk.apply(batch); // A real program waits here until the batch is durable.
        for effect in effects {
            match effect {
                Output::Send { link: CABLE, frame, .. } => self.frames.push(frame),
                Output::Notify(_, event) => self.tell(&event),
                Output::Send { .. }
                | Output::Close { .. }
                | Output::Advertise { .. }
                | Output::Broadcast { .. }
                | Output::Keep { .. }
                | Output::Store(_) => {}
            }
        }
    }

    fn tell(&self, event: &Event) {
        let name = self.node.identity().name;
        match event {
            Event::Message(message) => println!("{name} has: {}", message.text),
            Event::MessageState { state, .. } => println!("{name} sees: {}", state.as_str()),
            _ => {}
        }
    }

    fn command(&mut self, now: Now, command: Command) {
        self.handle(now, Input::Command(CommandId(1), command));
    }
}

fn main() -> Result<(), StartError> {
    let mut now = Now { mono: Time(0), wall: Wall(1_767_225_600) };
    let (mut asha, mut mina) = (Person::new("Asha", [1; 32], now)?, Person::new("Mina", [2; 32], now)?);

    // Each got the other's link: on paper, as a picture, from a friend.
    let (ashas, minas) = (asha.node.identity(), mina.node.identity());
    asha.command(now, Command::Add { link: minas.link, petname: None });
    mina.command(now, Command::Add { link: ashas.link, petname: None });
    let to = minas.account;
    asha.command(now, Command::Send { to: to.into(), text: "Are you safe?".to_owned(), message: None });

    // The cable is plugged in. Both ends know one value that no other cable has.
    for (person, role) in [(&mut asha, Role::Dialer), (&mut mina, Role::Listener)] {
        person.handle(now, Input::LinkUp { link: CABLE, role, binding: [7; 32], profile: Profile::LAN });
        person.handle(now, Input::LinkReady { link: CABLE, credit: 1 << 20 });
    }
    let is_delivered = |asha: &Person| {
        let sent = asha.node.messages(Some(to.into())).expect("memory can be read");
        sent.iter().all(|message| message.state >= MessageState::Delivered)
    };
    while !is_delivered(&asha) {
        carry(now, &mut asha, &mut mina);
        carry(now, &mut mina, &mut asha);
        if asha.frames.is_empty() && mina.frames.is_empty() {
            // A real program sleeps until `next_wakeup`, or until something comes.
            now.mono = now.mono + Duration::from_millis(10);
            asha.handle(now, Input::Tick);
            mina.handle(now, Input::Tick);
        }
    }
    Ok(())
}

/// What `from` said arrives at `to`, which may now say more.
fn carry(now: Now, from: &mut Person, to: &mut Person) {
    for bytes in from.frames.drain(..) {
        to.handle(now, Input::Frame { link: CABLE, bytes: &bytes });
    }
}
