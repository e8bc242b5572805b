//! etcd on the nodes of the cluster: which of them run a member, and how.

mod arguments;
mod keeper;
mod member;
mod members;
mod plan;
mod process;
mod removal;

pub use arguments::Beginning;
pub use keeper::{KeepError, Keeper};
pub use member::{Member, MemberError, data_folder, find_etcd, forget_member};
pub use members::{EtcdError, EtcdMember, EtcdMembers};
pub use plan::{KEEPERS, MemberId, Membership, Part, Presence, Seen, Step, plan};
pub use removal::{RemovalError, remove_node};
