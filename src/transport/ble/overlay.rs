//! Whom this node links to among those it hears.

use super::radio::{Advert, Remote};

/// Who is this much weaker than the strongest is not chosen while that one is there, in dB.
const MARGIN: i16 = 12;

/// Somebody who could be dialled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) remote: Remote,
    /// Signal strength in dBm, where the radio tells.
    pub(super) rssi: Option<i8>,
}

/// Whether this node dials, of two that hear one another: the lower advert does, and of two that are the same both.
pub(super) fn dials(ours: &Advert, theirs: &Advert) -> bool {
    ours <= theirs
}

/// One of those that could be dialled: any of the strong ones, by `draw`.
pub(super) fn choose(candidates: &[Candidate], draw: u64) -> Option<Remote> {
    let strength = |candidate: &Candidate| i16::from(candidate.rssi.unwrap_or(i8::MIN));
    let best = candidates.iter().map(strength).max()?;
    let strong: Vec<_> = candidates.iter().filter(|candidate| strength(candidate) + MARGIN >= best).collect();
    let at = usize::try_from(draw % strong.len() as u64).unwrap_or_default();
    strong.get(at).map(|candidate| candidate.remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_that_hear_one_another_one_dials() {
        let (low, high) = ([1; 6], [2; 6]);
        assert!(dials(&low, &high) && !dials(&high, &low));
    }

    #[test]
    fn any_of_the_strong_ones_is_chosen_and_no_weak_one() {
        let candidate = |remote, rssi| Candidate { remote: Remote(remote), rssi };
        let all =
            [candidate(1, Some(-50)), candidate(2, Some(-60)), candidate(3, Some(-80)), candidate(4, None)];
        let chosen: Vec<_> = (0..4).filter_map(|draw| choose(&all, draw)).map(|remote| remote.0).collect();
        assert_eq!(chosen, [1, 2, 1, 2]);
        assert_eq!(choose(&all[3..], 0), Some(Remote(4)), "where no strength is told, anybody");
        assert_eq!(choose(&[], 0), None);
    }
}
