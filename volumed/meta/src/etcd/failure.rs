//! What etcd's errors mean: what was done, and whether to ask again.

use std::error::Error;

use tonic::{Code, ConnectError, Status};

use crate::failure::StoreError;

/// Why a call was not answered as wanted.
#[derive(Debug)]
pub enum Failure {
    /// Nothing was done. Another member may do it, or the same one a little later.
    NotBegun(String),
    /// Nobody knows whether it was done.
    Lost(String),
    /// Nothing was done, and to ask again would not help.
    Refused(String),
    /// There is no such lease.
    LeaseEnded,
    /// The revision is no longer kept.
    Compacted,
}

impl Failure {
    /// Names the member that failed.
    pub fn by(self, member: &str) -> Self {
        let named = |text: String| format!("etcd {member}: {text}");
        match self {
            Self::NotBegun(text) => Self::NotBegun(named(text)),
            Self::Lost(text) => Self::Lost(named(text)),
            other => other,
        }
    }
}

impl From<etcd_client::Error> for Failure {
    fn from(error: etcd_client::Error) -> Self {
        match error {
            etcd_client::Error::GRpcStatus(status) => status.into(),
            // Its one form is an answer that tells no time to live.
            etcd_client::Error::LeaseKeepAliveError(_) => Self::LeaseEnded,
            other => Self::Lost(sentence(&other)),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let text = sentence(&status);
        match (status.code(), status.message()) {
            _ if caused_by::<ConnectError>(&status) => Self::NotBegun(text),
            // Said before the call goes anywhere.
            (
                _,
                "etcdserver: no leader"
                | "etcdserver: too many requests"
                | "etcdserver: rpc not supported for learner",
            ) => Self::NotBegun(text),
            (_, "etcdserver: requested lease not found") => Self::LeaseEnded,
            (_, "etcdserver: mvcc: required revision has been compacted") => Self::Compacted,
            (_, "etcdserver: mvcc: database space exceeded") => Self::Refused(format!(
                "{text}: compact and defragment etcd, then clear its alarm (etcdctl alarm disarm)"
            )),
            (
                Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::ResourceExhausted
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented,
                _,
            ) => Self::Refused(text),
            _ => Self::Lost(text),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotBegun(text) | Failure::Lost(text) | Failure::Refused(text) => {
                Self::Unavailable(text)
            }
            Failure::LeaseEnded => Self::LeaseEnded,
            // Whoever asks for a revision answers for it; nobody else is told this.
            Failure::Compacted => Self::Unavailable("changes went on for too long".to_owned()),
        }
    }
}

/// What an error says, and its first cause, which is what a reader needs.
fn sentence(error: &(dyn Error + 'static)) -> String {
    let text = match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    match causes(error).last() {
        Some(first) if !text.contains(&first.to_string()) => format!("{text}: {first}"),
        _ => text,
    }
}

fn caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<E>)
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code, message: &str) -> Failure {
        Status::new(code, message).into()
    }

    #[test]
    fn only_what_cannot_have_been_done_is_called_so() {
        for message in ["no leader", "rpc not supported for learner"] {
            let failure = of(Code::Unavailable, &format!("etcdserver: {message}"));
            assert!(matches!(failure, Failure::NotBegun(_)));
        }
        for (code, message) in [
            (Code::Unavailable, "etcdserver: request timed out"),
            (Code::Unavailable, "etcdserver: leader changed"),
            (Code::Unknown, "raft proposal dropped"),
            (Code::Cancelled, "h2 protocol error"),
            (Code::Internal, "stream ended"),
        ] {
            let failure = of(code, message);
            assert!(
                matches!(failure, Failure::Lost(_)),
                "{message}: {failure:?}"
            );
        }
    }

    #[test]
    fn a_refusal_is_no_reason_to_ask_again() {
        let full = of(
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        );
        assert!(matches!(full, Failure::Refused(text) if text.contains("alarm disarm")));
        let many = of(
            Code::InvalidArgument,
            "etcdserver: too many operations in txn request",
        );
        assert!(matches!(many, Failure::Refused(_)));
        let lease = of(Code::NotFound, "etcdserver: requested lease not found");
        assert!(matches!(lease, Failure::LeaseEnded));
    }
}
