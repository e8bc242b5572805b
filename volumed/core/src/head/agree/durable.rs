//! What was made equal is durable before anybody is served of it.

use std::collections::BTreeSet;

use crate::head::round::{Answers, Then};
use crate::head::{Head, HeadEffect};
use crate::message::{Ask, OpId};
use crate::rules::Rule;

impl Head {
    /// V6: what outlived a loss of power on one replica may be durable there alone. It is on the others, too, before
    /// anybody reads it: that one may leave, and the others lose power again. What a change that failed left, nobody
    /// counts on before the next flush, and what is resynced is synced before it counts.
    pub(super) fn make_durable(&mut self, op: OpId, effects: &mut Vec<HeadEffect>) -> bool {
        let Some(agreement) = self.agreements.running.get_mut(&op) else {
            return false;
        };
        let served = agreement.with.is_none() && agreement.outcome.is_ok();
        if !std::mem::take(&mut agreement.replaced) || !served {
            return false;
        }
        let participants = self
            .agreements
            .running
            .get(&op)
            .map(|it| self.participants(it));
        let Some((file, disks)) = participants.flatten() else {
            return false;
        };
        if !self.rules.kept(Rule::AgreeDurably) {
            return false;
        }
        let extents = BTreeSet::from([file.extent]);
        let sync = |disk| {
            let extents = extents.clone();
            (disk, Ask::Sync { extents })
        };
        let asks = disks.into_iter().map(sync).collect();
        self.begin_round(Then::Agreed(op), asks, effects);
        true
    }

    /// What was made equal is durable, or not everywhere.
    pub(in crate::head) fn agreed_durably(
        &mut self,
        op: OpId,
        answers: &Answers,
        effects: &mut Vec<HeadEffect>,
    ) {
        if answers.refused.is_empty() {
            self.agreed(op, effects);
        } else {
            self.one_refused(op, &answers.refused, effects);
        }
    }
}
