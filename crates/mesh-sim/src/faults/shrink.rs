//! Cuts a plan down to what is needed for a failure.

use super::plan::Plan;

/// Runs that are spent on it.
const MOST_RUNS: usize = 120;

/// The smallest part of `plan` found for which `fails` still holds: fewer faults, then fewer steps of its group
/// and fewer messages, then no loss, duplication or delay. `fails(plan)` holds for the whole.
pub(super) fn shrink(plan: Plan, fails: &mut dyn FnMut(&Plan) -> bool) -> Plan {
    let mut tries = Tries { left: MOST_RUNS, fails };
    let mut best = plan;
    best = tries.fewer(best, |plan| plan.faults.len(), |plan, keep| keep_only(&mut plan.faults, keep));
    best = tries.fewer(best, steps, |plan, keep| {
        if let Some(script) = &mut plan.group {
            keep_only(&mut script.steps, keep);
        }
    });
    best = tries.fewer(best, |plan| plan.messages.len(), |plan, keep| keep_only(&mut plan.messages, keep));
    let calmer: [fn(&mut Plan); 4] =
        [|p| p.loss = 0, |p| p.twice = 0, |p| (p.late, p.late_ms) = (0, 0), |p| p.latency = 1];
    for calm in calmer {
        let mut other = best.clone();
        calm(&mut other);
        if other != best && tries.fails(&other) {
            best = other;
        }
    }
    best
}

fn steps(plan: &Plan) -> usize {
    plan.group.as_ref().map_or(0, |script| script.steps.len())
}

fn keep_only<T>(list: &mut Vec<T>, keep: &dyn Fn(usize) -> bool) {
    let mut n = 0;
    list.retain(|_| {
        n += 1;
        keep(n - 1)
    });
}

struct Tries<'a> {
    left: usize,
    fails: &'a mut dyn FnMut(&Plan) -> bool,
}

impl Tries<'_> {
    fn fails(&mut self, plan: &Plan) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        (self.fails)(plan)
    }

    /// Leaves out ever smaller parts of a list (delta debugging).
    fn fewer(
        &mut self,
        mut best: Plan,
        len: fn(&Plan) -> usize,
        keep: fn(&mut Plan, &dyn Fn(usize) -> bool),
    ) -> Plan {
        let mut part = len(&best).div_ceil(2);
        while part > 0 && self.left > 0 {
            let mut from = 0;
            while from < len(&best) {
                let mut other = best.clone();
                keep(&mut other, &|n| !(from..from + part).contains(&n));
                if self.fails(&other) {
                    best = other;
                } else {
                    from += part;
                }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    #[test]
    fn a_failure_that_needs_two_faults_and_a_message_is_cut_down_to_them() {
        let whole = Plan::draw(17);
        let mut whole = Plan { loss: 5, ..whole };
        whole.faults = (0..40).map(|n| Fault::LoseCommit { at: n, node: 0 }).collect();
        let wanted = [whole.messages[1]];
        let mut runs = 0;
        let small = shrink(whole, &mut |plan| {
            runs += 1;
            let has = |at: u64| plan.faults.iter().any(|fault| fault.at() == at);
            has(7) && has(31) && plan.messages.contains(&wanted[0])
        });
        assert_eq!(small.faults.iter().map(Fault::at).collect::<Vec<_>>(), [7, 31]);
        assert_eq!(small.messages, wanted);
        assert_eq!(small.loss, 0);
        assert!(runs <= MOST_RUNS);
    }
}
