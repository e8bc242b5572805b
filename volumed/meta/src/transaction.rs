//! What a transaction is made of.

/// A number that grows with every transaction that changed something. Where it begins is the store's own
/// affair (SQLite: 0, etcd: 1), and it may skip: what others change in the same etcd counts too.
pub type Revision = u64;

/// A condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// The key does not exist.
    Absent(Vec<u8>),
    /// The key exists.
    Present(Vec<u8>),
    /// The key exists and was last written by this revision.
    Unchanged(Vec<u8>, Revision),
}

/// A change of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets the key to the value.
    Put(Vec<u8>, Vec<u8>),
    /// Sets the key to the value until the lease ends.
    PutLeased(Vec<u8>, Vec<u8>, LeaseId),
    /// Removes the key if it exists.
    Delete(Vec<u8>),
    /// Removes every key that starts with the prefix.
    DeletePrefix(Vec<u8>),
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every condition held, and the changes are durable under this revision (or the current one
    /// if there was nothing to change).
    Committed(Revision),
    /// A condition did not hold; nothing was changed.
    Refused,
}

/// Names a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);
