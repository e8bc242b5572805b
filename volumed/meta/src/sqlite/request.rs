//! What the store's thread is asked, each with where its answer goes.

use tokio::sync::{self, oneshot};

use crate::failure::StoreError;
use crate::store::{Entry, Event};
use crate::transaction::{Change, Compare, LeaseId, Outcome, Revision};

pub type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

pub enum Command {
    Request(Request),
    Watch {
        prefix: Vec<u8>,
        after: Revision,
        answer: Answer<sync::mpsc::Receiver<Event>>,
    },
}

pub enum Request {
    Read(Read),
    Write(Write),
}

pub enum Read {
    Revision(Answer<Revision>),
    Get {
        key: Vec<u8>,
        answer: Answer<Option<Entry>>,
    },
    Range {
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
        limit: usize,
        answer: Answer<(Revision, Vec<Entry>)>,
    },
}

pub enum Write {
    Transact {
        compares: Vec<Compare>,
        changes: Vec<Change>,
        answer: Answer<Outcome>,
    },
    GrantLease {
        seconds: u64,
        answer: Answer<LeaseId>,
    },
    RenewLease {
        lease: LeaseId,
        answer: Answer<()>,
    },
    EndLease {
        lease: LeaseId,
        answer: Answer<()>,
    },
}
