//! Whether a history is linearizable: whether every operation may have happened at one moment between its call
//! and its answer.
//!
//! The search is Wing and Gong's: any operation that was called before the first answer of those left may be the
//! next one. What was tried is remembered, as Lowe proposed: operations that are done in another order, with the same
//! value in the end, lead nowhere new.

use std::collections::HashSet;
use std::fmt;

use crate::history::{Answer, Call, Moment, Operation, Value};

/// A history that no order of its operations explains.
#[derive(Debug)]
pub struct Violation {
    /// How many operations an order explains at most.
    pub explained: usize,
    /// What the register then held.
    pub held: Option<Value>,
    /// Those of which none can be the next.
    pub stuck: Vec<Operation>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (explained, held) = (self.explained, self.held);
        write!(
            f,
            "{explained} operations leave {held:?}; next can be none of"
        )?;
        self.stuck
            .iter()
            .try_for_each(|operation| write!(f, "\n  {operation}"))
    }
}

/// Checks a history of a register that held `initial`, in whatever order the operations are given.
pub fn check(initial: Option<Value>, operations: &[Operation]) -> Result<(), Violation> {
    let mut operations: Vec<_> = operations.iter().copied().filter(says_something).collect();
    operations.sort_by_key(|operation| operation.called);
    let begin = Reached {
        done: Done(vec![0; operations.len().div_ceil(64)]),
        held: initial,
    };
    let mut seen = HashSet::from([begin.clone()]);
    let mut furthest = begin.clone();
    let mut to_try = vec![begin];
    while let Some(reached) = to_try.pop() {
        if reached.is_all(&operations) {
            return Ok(());
        }
        if reached.done.count() > furthest.done.count() {
            furthest = reached.clone();
        }
        for next in reached.candidates(&operations) {
            let next = reached.with(next, &operations[next]);
            to_try.extend(next.filter(|next| seen.insert(next.clone())));
        }
    }
    Err(furthest.violation(&operations))
}

/// A read without an answer explains nothing and needs no explanation.
fn says_something(operation: &Operation) -> bool {
    !matches!(
        (operation.call, operation.answer),
        (Call::Read, Answer::Unknown)
    )
}

/// Which operations are done, a bit each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn with(&self, index: usize) -> Self {
        let mut with = self.clone();
        with.0[index / 64] |= 1 << (index % 64);
        with
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// Where an order of some operations leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reached {
    done: Done,
    held: Option<Value>,
}

impl Reached {
    /// Whether everything has its place. What is unknown may never have happened.
    fn is_all(&self, operations: &[Operation]) -> bool {
        self.left(operations)
            .all(|index| operations[index].answer == Answer::Unknown)
    }

    fn left(&self, operations: &[Operation]) -> impl Iterator<Item = usize> {
        (0..operations.len()).filter(|index| !self.done.has(*index))
    }

    /// Those that were called before any of those left was answered.
    fn candidates(&self, operations: &[Operation]) -> Vec<usize> {
        let answered = self.left(operations).map(|index| &operations[index]);
        let known = answered.filter(|operation| operation.answer != Answer::Unknown);
        let first = known.map(|operation| operation.answered).min();
        let first = first.unwrap_or(Moment(u64::MAX));
        self.left(operations)
            .take_while(|index| operations[*index].called < first)
            .collect()
    }

    fn with(&self, index: usize, operation: &Operation) -> Option<Self> {
        let held = after(self.held, operation).ok()?;
        let done = self.done.with(index);
        Some(Self { done, held })
    }

    fn violation(&self, operations: &[Operation]) -> Violation {
        let stuck = self.candidates(operations).into_iter();
        Violation {
            explained: self.done.count(),
            held: self.held,
            stuck: stuck.map(|index| operations[index]).collect(),
        }
    }
}

/// An answer that the register cannot have given.
struct Contradiction;

/// What a register holds after an operation.
fn after(held: Option<Value>, operation: &Operation) -> Result<Option<Value>, Contradiction> {
    let (fits, then) = match operation.call {
        Call::Read => (operation.answer == Answer::Held(held), held),
        Call::Put(value) => (true, Some(value)),
        Call::Create(value) => (held.is_none(), Some(value)),
        Call::Swap { from, to } => (held == Some(from), Some(to)),
        Call::Delete => (true, None),
    };
    let (possible, held) = match operation.answer {
        // One whose condition does not hold changes nothing, as if it had never happened.
        Answer::Done | Answer::Unknown | Answer::Held(_) => (fits, then),
        Answer::Refused => (!fits, held),
    };
    possible.then_some(held).ok_or(Contradiction)
}

#[cfg(test)]
mod tests;
