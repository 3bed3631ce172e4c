//! A home whose bag is full of strangers' envelopes.

use anyhow::{Result, anyhow};
use mesh_core::carry::Origin;
use mesh_core::node::mesh::{Mesh, MeshConfig};
use mesh_core::rng::Rng;
use mesh_core::wire::{Envelope, Lifetime, SizeClass};
use mesh_core::{AckCommit, LinkId, Outbox, Output, Tag};
use starling::config::DataDir;
use starling::daemon::{Clock, Switch};
use starling::home::{self, Secret};
use starling::store::{Passphrase, Store};
use std::ops::Range;
use std::path::Path;

/// Makes a home in `dir` that carries these of an endless row of envelopes of 1,319 bytes.
pub(crate) fn fill(dir: &Path, which: Range<usize>) -> Result<()> {
    let data = DataDir::new(dir.to_owned());
    create_node(&data)?;
    let (store, _) = Store::open(dir, &Passphrase::None)?;
    let now = Clock.now();
    let mut rng = Rng::new([7; 32]);
    let mut mesh = Mesh::restore(MeshConfig::default(), rng.fork(), &*store.reader())?;
    for n in 0..which.end {
        let envelope = envelope(&mut rng);
        if !which.contains(&n) {
            continue;
        }
        let mut out = Outbox::default();
        let origin = Origin::Link { link: LinkId(n as u64 % 16), contact: false };
        mesh.keep(now, envelope, origin, &mut out).map_err(|why| anyhow!("{why}"))?;
        let mut ops = Vec::new();
        while let Some(output) = out.pop() {
            if let Output::Store(op) = output {
                ops.push(op);
            }
        }
        store.stage(ops);
        if n % 1_000 == 999 {
            store.commit()?;
        }
    }
    store.commit()?;
    store.close();
    Ok(())
}

/// Makes the person; their records become durable.
fn create_node(data: &DataDir) -> Result<()> {
    let home = home::create(data, "Full", &Secret::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_events, transport_events) = tokio::sync::mpsc::channel(1);
        home.start(transport_events, Switch::default())?.stop().await;
        Ok(())
    })
}

fn envelope(rng: &mut Rng) -> Envelope {
    let header =
        Envelope::header(SizeClass::B1280, Lifetime::Fortnight, Tag(rng.bytes()), AckCommit(rng.bytes()));
    let mut body = vec![0; SizeClass::B1280.body_len()];
    rng.fill(&mut body);
    Envelope::new(header, &body, 12).expect("the body has the length of its class")
}
