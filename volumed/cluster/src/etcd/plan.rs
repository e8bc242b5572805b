//! Which nodes keep the store: one step at a time, decided by what is known and nothing else.
//!
//! A cluster of one has one member, of two has two, and of three or more three: the loss of one of three stops
//! nobody, and more members only make every write slower. Two are no safer against a stop than one, but the store
//! survives the loss of a disk. A member is added as a learner, which counts for no majority before it has
//! everything.

use crate::id::{NodeId, NodeNumber};

/// How many nodes keep the store, where there are so many.
pub const KEEPERS: usize = 3;

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Its daemon runs.
    Here,
    /// It does not, for a short time as yet: a restart, an update.
    Away,
    /// For so long that another may take its place.
    Gone,
}

/// A node of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub node: NodeId,
    /// The lowest numbers keep the store first.
    pub number: NodeNumber,
    /// Whether it is there.
    pub presence: Presence,
}

/// Names a member of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// What a member of etcd is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It counts for majorities.
    Voter {
        /// It answered a moment ago.
        answers: bool,
    },
    /// It is told everything and decides nothing.
    Learner {
        /// Its process was there once.
        started: bool,
    },
}

/// A member of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Which one.
    pub id: MemberId,
    /// On which node; none if that is not in the cluster any more.
    pub node: Option<NodeId>,
    /// What it is.
    pub part: Part,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make a member of this node, as a learner.
    Add(NodeId),
    /// Let a learner vote. etcd refuses as long as it has not caught up.
    Promote(MemberId),
    /// End a membership.
    Remove(MemberId),
}

/// Those who vote.
#[derive(Debug, Clone, Copy)]
struct Votes {
    all: usize,
    answering: usize,
}

impl Votes {
    fn of(members: &[Membership]) -> Self {
        let mut votes = Self {
            all: 0,
            answering: 0,
        };
        for member in members {
            if let Part::Voter { answers } = member.part {
                votes.all += 1;
                votes.answering += usize::from(answers);
            }
        }
        votes
    }

    fn decide(self) -> bool {
        self.answering > self.all / 2
    }

    fn without(self, part: Part) -> Self {
        match part {
            Part::Learner { .. } => self,
            Part::Voter { answers } => Self {
                all: self.all - 1,
                answering: self.answering - usize::from(answers),
            },
        }
    }
}

/// The next step, if there is one that leaves a majority that answers.
pub fn plan(nodes: &[Seen], members: &[Membership]) -> Option<Step> {
    let votes = Votes::of(members);
    if !votes.decide() {
        return None;
    }
    let seen = |member: &Membership| nodes.iter().find(|node| Some(node.node) == member.node);
    let is_member = |node: &Seen| members.iter().any(|member| member.node == Some(node.node));
    let next = nodes
        .iter()
        .filter(|node| node.presence == Presence::Here && !is_member(node))
        .min_by_key(|node| node.number);

    let may_go = |member: &&Membership| votes.without(member.part).decide();
    let leaving = members.iter().filter(|member| seen(member).is_none());
    if let Some(member) = leaving.filter(may_go).min_by_key(|member| rank(member)) {
        return Some(Step::Remove(member.id));
    }
    let mut learners = members
        .iter()
        .filter(|member| matches!(member.part, Part::Learner { .. }));
    if let Some(learner) = learners.next() {
        return of_learner(learner, seen(learner)?.presence, votes);
    }
    let gone = members.iter().filter(|member| {
        let is_gone = seen(member).is_some_and(|node| node.presence == Presence::Gone);
        is_gone && member.part == Part::Voter { answers: false }
    });
    if next.is_some()
        && members.len() >= KEEPERS
        && let Some(member) = gone.filter(may_go).min_by_key(|member| member.id)
    {
        return Some(Step::Remove(member.id));
    }
    let whole = votes.answering == votes.all && members.len() < KEEPERS;
    next.filter(|_| whole).map(|node| Step::Add(node.node))
}

/// Whether the other members go on without this one.
pub fn may_leave(member: MemberId, members: &[Membership]) -> bool {
    let votes = Votes::of(members);
    let leaving = members.iter().find(|known| known.id == member);
    votes.decide() && leaving.is_none_or(|known| votes.without(known.part).decide())
}

/// Those that do not answer go first: they are missed by nobody.
fn rank(member: &Membership) -> (bool, MemberId) {
    (member.part == Part::Voter { answers: true }, member.id)
}

fn of_learner(learner: &Membership, presence: Presence, votes: Votes) -> Option<Step> {
    match (learner.part, presence) {
        (_, Presence::Gone) => Some(Step::Remove(learner.id)),
        _ if votes.all >= KEEPERS => Some(Step::Remove(learner.id)),
        (Part::Learner { started: true }, Presence::Here) => Some(Step::Promote(learner.id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn presence() -> impl Strategy<Value = Presence> {
        prop_oneof![
            3 => Just(Presence::Here),
            1 => Just(Presence::Away),
            1 => Just(Presence::Gone),
        ]
    }

    fn nodes() -> impl Strategy<Value = Vec<Seen>> {
        vec(presence(), 1..6).prop_map(|all| {
            let numbered = all.into_iter().zip(1_u16..);
            numbered
                .map(|(presence, number)| seen(number, presence))
                .collect()
        })
    }

    fn seen(number: u16, presence: Presence) -> Seen {
        Seen {
            node: NodeId(u128::from(number)),
            number: NodeNumber(number),
            presence,
        }
    }

    /// Members on some of the nodes 1 to 8, at most one of them a learner, as etcd sees to it.
    fn members() -> impl Strategy<Value = Vec<Membership>> {
        let voters = prop::collection::btree_map(1..9_u64, any::<bool>(), 1..5);
        (voters, prop::option::of(any::<bool>())).prop_map(|(voters, learner)| {
            let mut all: Vec<_> = voters
                .into_iter()
                .map(|(id, answers)| member(id, Part::Voter { answers }))
                .collect();
            let others = all.iter().any(|member| member.id != MemberId(5));
            if let Some(started) = learner.filter(|_| others) {
                all.retain(|member| member.id != MemberId(5));
                all.push(member(5, Part::Learner { started }));
            }
            all
        })
    }

    fn member(id: u64, part: Part) -> Membership {
        Membership {
            id: MemberId(id),
            node: Some(NodeId(u128::from(id))),
            part,
        }
    }

    fn applied(mut members: Vec<Membership>, step: Step) -> Vec<Membership> {
        match step {
            Step::Add(node) => members.push(member(node.0 as u64, Part::Learner { started: true })),
            Step::Remove(id) => members.retain(|member| member.id != id),
            Step::Promote(id) => {
                for member in members.iter_mut().filter(|member| member.id == id) {
                    member.part = Part::Voter { answers: true };
                }
            }
        }
        members
    }

    proptest! {
        #[test]
        fn a_step_leaves_a_majority_that_answers(nodes in nodes(), members in members()) {
            if let Some(step) = plan(&nodes, &members) {
                let after = applied(members, step);
                prop_assert!(Votes::of(&after).decide());
            }
        }

        #[test]
        fn nobody_is_added_beside_another_or_beyond_three(nodes in nodes(), members in members()) {
            let learners = members.iter().any(|member| matches!(member.part, Part::Learner { .. }));
            let votes = Votes::of(&members);
            match plan(&nodes, &members) {
                Some(Step::Add(node)) => {
                    prop_assert!(!learners && members.len() < KEEPERS);
                    prop_assert_eq!(votes.answering, votes.all);
                    prop_assert!(members.iter().all(|member| member.node != Some(node)));
                    let here = nodes.iter().find(|seen| seen.node == node).unwrap();
                    prop_assert_eq!(here.presence, Presence::Here);
                }
                Some(Step::Promote(_)) => prop_assert!(votes.all < KEEPERS),
                _ => {}
            }
        }

        #[test]
        fn a_voter_that_answers_goes_only_with_its_node(nodes in nodes(), members in members()) {
            if let Some(Step::Remove(id)) = plan(&nodes, &members) {
                let gone = members.iter().find(|member| member.id == id).unwrap();
                if gone.part == (Part::Voter { answers: true }) {
                    prop_assert!(nodes.iter().all(|node| Some(node.node) != gone.node));
                }
            }
        }

        #[test]
        fn a_cluster_whose_nodes_are_here_comes_to_rest_with_three_members(
            count in 1_u16..6, members in members(),
        ) {
            let nodes: Vec<_> = (1..=count).map(|number| seen(number, Presence::Here)).collect();
            let healed = members.into_iter().map(|mut member| {
                member.part = match member.part {
                    Part::Voter { .. } => Part::Voter { answers: true },
                    Part::Learner { .. } => Part::Learner { started: true },
                };
                member
            });
            let mut members: Vec<_> = healed.collect();
            let here = |members: &[Membership]| {
                members.iter().filter(|member| member.id.0 <= u64::from(count)).count()
            };
            // A majority of etcd that knows nothing of the cluster any more is no cluster.
            if here(&members) == 0 {
                members.push(member(1, Part::Voter { answers: true }));
            }
            let before = here(&members);
            for _ in 0..20 {
                let Some(step) = plan(&nodes, &members) else { break };
                members = applied(members, step);
            }
            prop_assert_eq!(plan(&nodes, &members), None);
            let votes = Votes::of(&members);
            let wanted = KEEPERS.min(usize::from(count)).max(before.min(votes.all));
            prop_assert_eq!((votes.all, members.len()), (wanted, wanted));
        }
    }

    #[test]
    fn a_cluster_grows_from_one_to_three_members() {
        let all: Vec<_> = (1..=4).map(|number| seen(number, Presence::Here)).collect();
        let mut members = vec![member(1, Part::Voter { answers: true })];
        let mut steps = Vec::new();
        while let Some(step) = plan(&all, &members) {
            steps.push(step);
            members = applied(members, step);
        }
        let add = |node| Step::Add(NodeId(node));
        let promote = |id| Step::Promote(MemberId(id));
        assert_eq!(steps, [add(2), promote(2), add(3), promote(3)]);
    }

    #[test]
    fn a_member_that_is_gone_is_replaced_and_one_that_is_away_is_not() {
        let voter = |id, answers| member(id, Part::Voter { answers });
        let members = [voter(1, true), voter(2, true), voter(3, false)];
        let nodes = |third| {
            let here = |number| seen(number, Presence::Here);
            [here(1), here(2), seen(3, third), here(4)]
        };
        assert_eq!(plan(&nodes(Presence::Away), &members), None);
        let remove = Some(Step::Remove(MemberId(3)));
        assert_eq!(plan(&nodes(Presence::Gone), &members), remove);
        assert_eq!(plan(&nodes(Presence::Gone)[..3], &members), None);
    }

    #[test]
    fn nothing_is_done_without_a_majority() {
        let voter = |id, answers| member(id, Part::Voter { answers });
        let nodes = [seen(1, Presence::Here), seen(4, Presence::Here)];
        let members = [voter(1, true), voter(2, false)];
        assert_eq!(plan(&nodes, &members), None);
    }
}
