//! What clients did to a register, and what each was answered, in an order that everybody agrees on.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a register holds; no two writes of a history write the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value(pub u64);

/// A moment of a history. Of two, the lesser was earlier; no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// What was asked of the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// What it holds.
    Read,
    /// To hold this, whatever it held.
    Put(Value),
    /// To hold this if it holds nothing (`If-None-Match: *`).
    Create(Value),
    /// To hold `to` if it holds `from` (`If-Match`).
    Swap {
        /// What it has to hold.
        from: Value,
        /// What it then holds.
        to: Value,
    },
    /// To hold nothing.
    Delete,
}

/// What the client was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a read: this, or nothing.
    Held(Option<Value>),
    /// To a change: it is done.
    Done,
    /// To a change: its condition did not hold.
    Refused,
    /// Nothing that tells: the change may be done at any time from its call on, or never.
    Unknown,
}

/// A call with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was called.
    pub called: Moment,
    /// When it was answered.
    pub answered: Moment,
    /// What was asked.
    pub call: Call,
    /// What was answered.
    pub answer: Answer,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            called: Moment(called),
            answered: Moment(answered),
            call,
            answer,
        } = self;
        write!(f, "{called}..{answered} {call:?} -> {answer:?}")
    }
}

/// The operations on one register, recorded by the clients that call them.
#[derive(Debug, Default)]
pub struct History {
    /// A count of moments orders as the clock would, and no two are equal.
    moments: AtomicU64,
    operations: Mutex<Vec<Operation>>,
}

impl History {
    /// Nothing happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a call, and records it with its answer.
    pub fn record(&self, call: Call, make: impl FnOnce() -> Answer) -> Answer {
        let called = self.moment();
        let answer = make();
        let answered = self.moment();
        let operation = Operation {
            called,
            answered,
            call,
            answer,
        };
        let mut operations = self.operations.lock().expect("no client panicked in here");
        operations.push(operation);
        answer
    }

    /// What was recorded so far.
    pub fn operations(&self) -> Vec<Operation> {
        let operations = self.operations.lock();
        operations.expect("no client panicked in here").clone()
    }

    fn moment(&self) -> Moment {
        Moment(self.moments.fetch_add(1, Ordering::SeqCst))
    }
}
