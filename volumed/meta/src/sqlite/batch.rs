//! Requests that waited together run in one SQLite transaction and are answered after its commit,
//! reads too: what they saw is durable before anybody hears of it.

use rusqlite::{Connection, TransactionBehavior};

use super::request::{Answer, Read, Request, Write};
use super::{apply, leases};
use crate::failure::StoreError;
use crate::transaction::{Change, Compare, Outcome};

/// Gives the answer if the argument is none, else the failure of the whole batch.
type Deliver = Box<dyn FnOnce(Option<&str>)>;

pub fn run(connection: &mut Connection, requests: Vec<Request>, revisions_kept: u64) {
    // Boxed answers are kept outside, so that a failure reaches all who wait.
    let mut pending = requests.into_iter();
    let mut answers: Vec<Deliver> = Vec::new();
    let outcome = commit(connection, &mut pending, &mut answers, revisions_kept);
    let failure = outcome.err().map(|error| error.to_string());
    if let Some(failure) = &failure {
        tracing::warn!(error = %failure, "the metadata store failed");
        answers.extend(pending.map(refuse));
    }
    for answer in answers {
        answer(failure.as_deref());
    }
}

fn commit(
    connection: &mut Connection,
    requests: &mut std::vec::IntoIter<Request>,
    answers: &mut Vec<Deliver>,
    revisions_kept: u64,
) -> rusqlite::Result<()> {
    let only_reads = requests
        .as_slice()
        .iter()
        .all(|request| matches!(request, Request::Read(_)));
    let behavior = if only_reads && !leases::any_overdue(connection)? {
        TransactionBehavior::Deferred
    } else {
        TransactionBehavior::Immediate
    };
    let transaction = connection.transaction_with_behavior(behavior)?;
    if matches!(behavior, TransactionBehavior::Immediate) {
        leases::end_overdue(&transaction)?;
    }
    for request in requests.by_ref() {
        match request {
            Request::Read(request) => read(&transaction, request, answers)?,
            Request::Write(request) => write(&transaction, request, answers)?,
        }
    }
    if matches!(behavior, TransactionBehavior::Immediate) {
        apply::compact(&transaction, revisions_kept)?;
    }
    transaction.commit()
}

fn read(
    connection: &Connection,
    request: Read,
    answers: &mut Vec<Deliver>,
) -> rusqlite::Result<()> {
    match request {
        Read::Revision(answer) => settle(answer, answers, || apply::revision(connection).map(Ok)),
        Read::Get { key, answer } => {
            settle(answer, answers, || apply::get(connection, &key).map(Ok))
        }
        Read::Range {
            prefix,
            after,
            limit,
            answer,
        } => settle(answer, answers, || {
            let entries = apply::range(connection, &prefix, after.as_deref(), limit)?;
            Ok(Ok((apply::revision(connection)?, entries)))
        }),
    }
}

fn write(
    connection: &Connection,
    request: Write,
    answers: &mut Vec<Deliver>,
) -> rusqlite::Result<()> {
    let ended = |found| {
        if found {
            Ok(())
        } else {
            Err(StoreError::LeaseEnded)
        }
    };
    match request {
        Write::Transact {
            compares,
            changes,
            answer,
        } => settle(answer, answers, || {
            transact(connection, &compares, &changes)
        }),
        Write::GrantLease { seconds, answer } => settle(answer, answers, || {
            leases::grant(connection, seconds).map(Ok)
        }),
        Write::RenewLease { lease, answer } => settle(answer, answers, || {
            leases::renew(connection, lease).map(ended)
        }),
        Write::EndLease { lease, answer } => settle(answer, answers, || {
            leases::end(connection, lease).map(ended)
        }),
    }
}

fn transact(
    connection: &Connection,
    compares: &[Compare],
    changes: &[Change],
) -> rusqlite::Result<Result<Outcome, StoreError>> {
    for compare in compares {
        if !apply::holds(connection, compare)? {
            return Ok(Ok(Outcome::Refused));
        }
    }
    if !leases::named_exist(connection, changes)? {
        return Ok(Err(StoreError::LeaseEnded));
    }
    let mut step = apply::Step::begin(connection)?;
    changes.iter().try_for_each(|change| step.apply(change))?;
    Ok(Ok(Outcome::Committed(step.end()?)))
}

/// Does the work, and keeps its answer until the batch is committed. An error of SQLite fails the
/// whole batch, this request with it.
fn settle<T: 'static>(
    answer: Answer<T>,
    answers: &mut Vec<Deliver>,
    work: impl FnOnce() -> rusqlite::Result<Result<T, StoreError>>,
) -> rusqlite::Result<()> {
    let (result, outcome) = match work() {
        Ok(result) => (result, Ok(())),
        Err(error) => (Err(StoreError::Unavailable(error.to_string())), Err(error)),
    };
    answers.push(Box::new(move |failure| {
        let result = failure.map_or(result, |failure| Err(unavailable(failure)));
        // Nobody listens any more when the caller gave up.
        let _ = answer.send(result);
    }));
    outcome
}

fn refuse(request: Request) -> Deliver {
    fn unsent<T: 'static>(answer: Answer<T>) -> Deliver {
        Box::new(move |failure| {
            let _ = answer.send(Err(unavailable(failure.unwrap_or("not tried"))));
        })
    }
    match request {
        Request::Read(Read::Revision(answer)) => unsent(answer),
        Request::Read(Read::Get { answer, .. }) => unsent(answer),
        Request::Read(Read::Range { answer, .. }) => unsent(answer),
        Request::Write(Write::Transact { answer, .. }) => unsent(answer),
        Request::Write(Write::GrantLease { answer, .. }) => unsent(answer),
        Request::Write(Write::RenewLease { answer, .. } | Write::EndLease { answer, .. }) => {
            unsent(answer)
        }
    }
}

fn unavailable(failure: &str) -> StoreError {
    StoreError::Unavailable(failure.to_owned())
}
