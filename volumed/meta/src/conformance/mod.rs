//! What every [`MetaStore`] must do, as tests that a backend runs on itself:
//!
//! ```text
//! conforms!(fresh);
//! ```
//! where `fresh` makes a [`Backend`] with an empty store. Whatever a test needs of the store it asks
//! of [`crate::open`], as a daemon would. No test knows the first revision, and none grants a lease
//! shorter than the longest that a store may make of it.

mod copies;
mod crash;
mod handles;
mod leases;
mod limits;
mod model;
mod ranges;
mod transactions;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::{Change, Compare, Event, Location, MetaStore, Outcome, Revision};

pub use copies::*;
pub use crash::{nothing_acknowledged_is_lost_by_kill_9, writer};
pub use handles::*;
pub use leases::*;
pub use limits::*;
pub use model::the_store_is_a_map;
pub use ranges::*;
pub use transactions::*;
pub use watches::*;

/// A store of its own for one test; dropping it takes it away.
pub trait Backend {
    /// What [`crate::open`] takes, in this process and in others.
    fn location(&self) -> Location;

    /// Ends whatever serves the store beside the processes that have it open, as kill -9 does, and
    /// starts it anew. (For SQLite there is nothing; for etcd it is the server.)
    fn kill(&mut self) {}
}

pub type Store = Arc<dyn MetaStore>;

/// Makes a test of each function of the suite.
macro_rules! conforms {
    ($fresh:expr) => {
        conforms!(@each $fresh;
            an_empty_store_holds_nothing
            a_transaction_has_one_revision
            conditions_are_all_or_nothing
            only_a_change_takes_a_revision
            a_key_remembers_who_made_it
            one_of_many_wins_a_key
            ranges_are_ordered_and_paged
            a_prefix_ends_where_it_should
            a_range_says_when_it_was_read
            a_watcher_sees_every_change_in_order
            a_watcher_starts_where_it_asked_to
            a_watcher_may_start_in_the_future
            a_slow_watcher_misses_nothing
            a_lease_takes_its_keys_along
            a_lease_ends_by_itself
            a_lease_without_keys_takes_no_revision
            a_plain_put_frees_a_key_from_its_lease
            a_lease_outlives_the_handle_that_granted_it
            the_largest_transaction_is_taken
            too_large_a_transaction_is_refused
            a_key_is_changed_once_by_a_transaction
            two_handles_see_each_other
            everything_is_there_after_reopening
            a_copy_holds_what_the_store_held
            a_copy_replaces_an_older_one
        );

        #[test]
        fn the_store_is_a_map() {
            $crate::conformance::the_store_is_a_map($fresh);
        }

        /// Not a test: what the killed processes run.
        #[test]
        #[ignore = "run by the next test in processes of their own"]
        fn writer() {
            $crate::conformance::writer();
        }

        #[test]
        fn nothing_acknowledged_is_lost_by_kill_9() {
            let writer = concat!(module_path!(), "::writer");
            $crate::conformance::nothing_acknowledged_is_lost_by_kill_9(&mut $fresh(), writer);
        }
    };
    (@each $fresh:expr; $($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let backend = $fresh();
            $crate::conformance::$name(&backend).await;
        }
    )*};
}
pub(crate) use conforms;

async fn open(backend: &impl Backend) -> Store {
    crate::open(backend.location()).await.unwrap()
}

fn put(key: &str, value: &str) -> Change {
    Change::Put(key.into(), value.into())
}

fn delete(key: &str) -> Change {
    Change::Delete(key.into())
}

fn absent(key: &str) -> Compare {
    Compare::Absent(key.into())
}

fn event(revision: Revision, key: &str, value: Option<&str>) -> Event {
    Event {
        revision,
        key: key.into(),
        value: value.map(Into::into),
    }
}

async fn commit(store: &Store, changes: Vec<Change>) -> Revision {
    match store.transact(vec![], changes).await.unwrap() {
        Outcome::Committed(revision) => revision,
        Outcome::Refused => panic!("refused without a condition"),
    }
}

async fn keys(store: &Store, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
    let (_, entries) = store.range(prefix, after, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.key).collect()
}

/// Long enough that only a defect reaches it.
async fn next(events: &mut Receiver<Event>) -> Event {
    let event = timeout(Duration::from_mins(1), events.recv()).await;
    event.expect("an event comes").expect("the watch goes on")
}
