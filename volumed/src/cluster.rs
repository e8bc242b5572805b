//! This node in its cluster: how it makes one or joins one, and what it does for it while the daemon runs.
//!
//! The node is in a cluster once `DATA/cluster/node.json` is there; from then on the store is the cluster's.

mod duties;
mod entered;
mod founding;
mod joining;
mod links;
mod nodes;
mod own_store;
mod presences;
mod recovering;
mod restoring;

pub use duties::{Duties, DutiesError};
pub use entered::{EnterError, Entered};
pub use founding::{FoundingError, found};
pub use joining::{JoiningError, join};
pub use nodes::{DrainNodeError, Nodes, RemoveNodeError};
pub use recovering::{Recovered, RecoveringError, recover};
pub use restoring::restore_store;
