//! Where tests make storage fail: one point before every step that a crash could fall into.

use std::io;

/// A step after which something new is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A group goes into the journal.
    JournalWrite,
    /// ... and is made durable.
    JournalSync,
    /// The head of a new generation is written.
    SnapshotWrite,
    /// ... and made durable.
    SnapshotSync,
    /// The keyfile names the new generation.
    KeyfileSwitch,
    /// A group goes into sled or an identity file.
    Apply,
    /// sled is made durable.
    RecordsSync,
    /// The mark says what sled holds.
    Mark,
    /// The keyfile forgets the old generation.
    KeyfileRetire,
    /// Records go into a new database.
    Copy,
    /// The mark names a new database.
    Adopt,
}

#[cfg(test)]
impl Step {
    pub(super) const ALL: [Self; 9] = [
        Self::JournalWrite,
        Self::JournalSync,
        Self::SnapshotWrite,
        Self::SnapshotSync,
        Self::KeyfileSwitch,
        Self::Apply,
        Self::RecordsSync,
        Self::Mark,
        Self::KeyfileRetire,
    ];
}

/// Outside of tests nothing fails by order.
#[cfg(not(test))]
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(());

#[cfg(not(test))]
impl Faults {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the twin in tests uses both")]
    pub(super) fn check(&self, _step: Step) -> io::Result<()> {
        Ok(())
    }
}

/// Fails one step by order, after letting it pass some times.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(std::sync::Arc<std::sync::Mutex<Option<(Step, u32, Way)>>>);

/// How a step fails.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// With an error that nothing is known about.
    Error,
    /// For want of space.
    Full,
    /// The code itself is wrong.
    Panic,
}

#[cfg(test)]
impl Faults {
    /// The step fails after it passed `passes` times, and ever after.
    pub(super) fn arm(&self, step: Step, passes: u32) {
        self.arm_with(step, passes, Way::Error);
    }

    pub(super) fn arm_with(&self, step: Step, passes: u32, way: Way) {
        *self.0.lock().unwrap() = Some((step, passes, way));
    }

    pub(super) fn check(&self, step: Step) -> io::Result<()> {
        let mut armed = self.0.lock().unwrap();
        let way = match armed.as_mut() {
            Some((s, 0, way)) if *s == step => *way,
            Some((s, passes, _)) if *s == step => {
                *passes -= 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        drop(armed);
        match way {
            Way::Error => Err(io::Error::other(format!("{step:?} fails by order"))),
            Way::Full => Err(io::ErrorKind::StorageFull.into()),
            Way::Panic => panic!("{step:?} panics by order"),
        }
    }
}
