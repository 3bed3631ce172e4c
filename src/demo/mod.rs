//! The demonstration: real nodes on this machine, a partition, and somebody who walks between the sides.
//!
//! Every node has its own directory, sockets and keys; nothing is simulated. What is staged is only who
//! stands where: a node's links are opened to the nodes of its side and to no others.

mod resident;
mod story;
mod street;
mod view;

use starling::t;
use std::path::PathBuf;
use view::View;

/// Runs the demonstration; with `interactive` the person writes one of the messages.
pub(crate) async fn run(json: bool, interactive: bool) -> anyhow::Result<()> {
    let place = Place::new()?;
    let view = View::new(json);
    tokio::select! {
        result = story::tell(&place.0, view, interactive) => result,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!(t!("demo-interrupted"))
        }
    }
}

/// A directory of its own that goes when the demonstration ends.
struct Place(PathBuf);

impl Place {
    fn new() -> anyhow::Result<Self> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(std::io::Error::other)?;
        let name = data_encoding::HEXLOWER.encode(&name);
        let path = std::env::temp_dir().join(format!("starling-demo-{name}"));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing in it outlives the demonstration; what cannot be removed is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
