//! Who the nodes of a cluster are to each other: the authority that signs their certificates, the TLS that they
//! speak, how a node joins and is removed, and which of them keep the metadata store.

mod authority;
mod certificate;
mod cluster;
mod etcd;
mod folder;
mod id;
mod identity;
mod join;
mod node;
mod proof;
mod registry;
mod store;
mod store_location;
mod tls;
mod token;
mod trust;

pub use authority::{AuthorityError, CERTIFICATE_LIFE, Fingerprint};
pub use certificate::{CertificateError, NodeCertificate};
pub use cluster::{Cluster, ClusterError, EtcdFiles, now};
pub use etcd::{
    Beginning, EtcdError, EtcdMember, EtcdMembers, KEEPERS, KeepError, Keeper, Member, MemberError,
    MemberId, Membership, Part, Presence, RemovalError, Seen, Step, data_folder, find_etcd,
    forget_member, plan, remove_node,
};
pub use folder::{FolderError, Members, Own};
pub use id::{ClusterId, IdError, NodeId, NodeNumber};
pub use identity::{Identity, IdentityError};
pub use join::{
    CallError, InviteError, JoinError, LONGEST_TOKEN_LIFE, Signer, SignerError, TOKEN_LIFE,
    Unreached, fetch_authority, invite, join, renew, renew_regularly, stay_valid,
};
pub use node::{
    Issued, Node, NodeDrain, NodeName, NodeNameError, Place, PlaceError, Ports, RemovedNode, Serial,
};
pub use proof::{Secret, Session, TokenKey};
pub use registry::{
    AdmitError, Candidate, OrderDrainError, Registry, RegistryError, RemoveError, RenewError,
};
pub use store::{StoreRegistry, TokenRecord};
pub use store_location::{open_store, store_location};
pub use tls::{PeerTls, peer};
pub use token::{JoinToken, TokenError};
pub use trust::{AnchorsError, Stranger, Trust};

#[cfg(test)]
mod tests;
