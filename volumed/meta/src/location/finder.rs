//! Members of an etcd that come and go.

use std::fmt;
use std::sync::Arc;

/// Says where an etcd's members are now. It is asked before each connection, on a thread that may read files.
#[derive(Clone)]
pub struct Finder(Arc<dyn Fn() -> Vec<String> + Send + Sync>);

impl Finder {
    /// `find` answers `HOST:PORT` of members, in the order in which they are to be asked; nothing, if it does
    /// not know.
    pub fn new(find: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    pub(crate) fn find(&self) -> Vec<String> {
        (self.0)()
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Finder")
    }
}

impl PartialEq for Finder {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Finder {}
