use std::path::PathBuf;
use std::sync::Arc;

use volumed_meta::Location;
use volumed_node::Volumes;

use crate::cluster::Nodes;
use crate::metrics::Metrics;

/// What the API shows and changes.
#[derive(Clone)]
pub struct Api {
    /// The node's volumes.
    pub volumes: Volumes,
    /// The nodes of its cluster, if it is in one.
    pub cluster: Option<Nodes>,
    /// Where NBD is served.
    pub nbd_socket: PathBuf,
    /// Where the files of extents are handed out (V14).
    pub extents_socket: PathBuf,
    /// The metadata store.
    pub store: Location,
    /// Where a backup lies until it is sent.
    pub backup: PathBuf,
    /// Taken while a backup is made, since all are made under one name.
    pub backups: Arc<tokio::sync::Mutex<()>>,
    /// The counters of this daemon.
    pub metrics: Arc<Metrics>,
}
