//! A mounted bucket: what all its operations share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fused_fs::attributes::{Attributes, Defaults, Kind, Timestamp};
use fused_fs::succession::Successions;
use fused_fs::tree::{Ino, Node, ROOT, Tree};
use fused_s3::{Client, Space};
use fuser::{Errno, FileAttr, FileType, INodeNo};
use parking_lot::Mutex;
use tokio::runtime::Handle as Runtime;

use crate::ahead::Ahead;
use crate::asking::Asking;
use crate::cache::DiskCache;
use crate::directories::Directory;
use crate::errno::Outcome;
use crate::files::{OpenFile, Opened};
use crate::following::{Expected, Stale};
use crate::listings::Listings;
use crate::metrics::Metrics;
use crate::staging::StagingFolder;
use crate::starting;

/// What a user chose for a mount.
#[derive(Debug, Clone)]
pub struct Options {
    /// Owner and permissions of objects that have none of their own.
    pub defaults: Defaults,
    /// How long what the server said is taken to hold.
    pub fresh: Duration,
    /// Most bytes to read ahead for one opener.
    pub read_ahead: u64,
    /// How long after an upload failed it is tried again.
    pub retry: Duration,
    /// Nothing can be changed.
    pub read_only: bool,
    /// The server is Hayrack: it renames objects and prefixes, and its listings describe objects.
    pub hayrack: bool,
}

/// How long the kernel keeps what it knows when the change feed is followed: the feed says what it has
/// to forget, unless the connection is cut.
const COHERENT: Duration = Duration::from_secs(30);

/// Until the change feed says otherwise.
pub const UNTIL_HEARD: Timestamp = Timestamp(i64::MAX);

/// A mounted bucket.
pub struct Mount {
    pub client: Client,
    pub options: Options,
    pub staging: StagingFolder,
    /// What was read before, if that is kept.
    pub cache: Option<DiskCache>,
    pub runtime: Runtime,
    pub tree: Mutex<Tree>,
    /// Files that are open, or whose changes are not uploaded yet.
    pub files: Mutex<HashMap<Ino, Arc<OpenFile>>>,
    pub openers: Mutex<HashMap<u64, Arc<Opened>>>,
    pub listings: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<Directory>>>>,
    /// Held by whoever uses a key; whole for changing the keys of many files at once.
    pub names: tokio::sync::RwLock<()>,
    /// How full the bucket was, and when; held by whoever asks.
    pub space: tokio::sync::Mutex<Option<(Space, Instant)>>,
    /// Turns to send bytes of files.
    pub sending: tokio::sync::Semaphore,
    /// The change feed is followed: what is known holds until the feed says otherwise.
    pub coherent: AtomicBool,
    /// What the kernel has to forget, once the feed is followed.
    pub kernel: OnceLock<Sender<Stale>>,
    /// What was done here and what the feed has not said yet.
    pub expected: Mutex<Expected>,
    /// Keys that the server is being asked for.
    pub asking: Mutex<Asking>,
    /// What the server said of whole directories.
    pub listed: Mutex<Listings>,
    /// Files that are opened one after the other.
    pub successions: Mutex<Successions<Ahead>>,
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// When it was mounted: the time of directories that have none of their own.
    pub started: Timestamp,
    next_handle: AtomicU64,
}

impl Mount {
    /// Shows the keys that begin with `prefix`, which is empty or ends in `/`.
    pub fn new(
        client: Client,
        prefix: &str,
        options: Options,
        staging: StagingFolder,
        cache: Option<DiskCache>,
        runtime: Runtime,
    ) -> Arc<Self> {
        let defaults = options.defaults;
        let owner = (defaults.uid, defaults.gid);
        let root = Attributes::new(Kind::Directory, defaults.directory, owner, now());
        Arc::new(Self {
            client,
            options,
            staging,
            cache,
            runtime,
            tree: Mutex::new(Tree::new(prefix, root)),
            files: Mutex::default(),
            openers: Mutex::default(),
            listings: Mutex::default(),
            names: tokio::sync::RwLock::default(),
            space: tokio::sync::Mutex::default(),
            sending: crate::early::turns(),
            coherent: AtomicBool::new(false),
            kernel: OnceLock::new(),
            asking: Mutex::default(),
            listed: Mutex::default(),
            expected: Mutex::default(),
            successions: Mutex::default(),
            metrics: Metrics::default(),
            started: now(),
            next_handle: AtomicU64::new(1),
        })
    }

    /// A number for an opener that no other has.
    pub fn handle(&self) -> u64 {
        self.next_handle.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs an operation beside others.
    pub fn spawn(&self, operation: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(operation);
    }

    /// Does what an operation can do without waiting, and the rest beside others.
    pub fn start(&self, operation: impl Future<Output = ()> + Send + 'static) {
        starting::start(&self.runtime, operation);
    }

    /// How long the kernel may keep what it is told.
    pub fn kernel_keeps(&self) -> Duration {
        if self.coherent.load(Ordering::Relaxed) {
            COHERENT.max(self.options.fresh)
        } else {
            self.options.fresh
        }
    }

    /// Until when what the server says now holds.
    pub fn fresh_until(&self) -> Timestamp {
        if self.coherent.load(Ordering::Relaxed) {
            return UNTIL_HEARD;
        }
        let fresh = i64::try_from(self.options.fresh.as_nanos()).unwrap_or(i64::MAX);
        Timestamp(now().0.saturating_add(fresh))
    }

    /// Whether what is known of a node holds.
    pub fn is_fresh(&self, node: &Node) -> bool {
        self.holds(node.fresh_until)
    }

    /// Whether something holds now that was said to hold until then.
    pub fn holds(&self, until: Timestamp) -> bool {
        // What holds until the feed says otherwise is not known any more when there is no feed.
        let unlimited = until == UNTIL_HEARD;
        until > now() && (!unlimited || self.coherent.load(Ordering::Relaxed))
    }

    /// A node's attributes as the kernel wants them.
    pub fn attr(&self, ino: Ino) -> Outcome<FileAttr> {
        let tree = self.tree.lock();
        tree.get(ino)
            .map(|node| attr(ino, node))
            .ok_or(Errno::ESTALE)
    }

    /// The key of an inode; ESTALE when it has none any more.
    pub fn key(&self, ino: Ino) -> Outcome<String> {
        self.tree.lock().key(ino).ok_or(Errno::ESTALE)
    }

    /// Refuses changes of what is mounted to be read.
    pub fn check_writable(&self) -> Outcome<()> {
        if self.options.read_only {
            return Err(Errno::EROFS);
        }
        Ok(())
    }
}

/// The time of this machine.
pub fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

/// As the core counts time.
pub fn timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => nanoseconds(since),
        Err(before) => Timestamp(-nanoseconds(before.duration()).0),
    }
}

fn nanoseconds(duration: Duration) -> Timestamp {
    Timestamp(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

fn system_time(time: Timestamp) -> SystemTime {
    let distance = Duration::from_nanos(time.0.unsigned_abs());
    let time = if time.0 < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}

/// As the kernel names kinds.
pub fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
    }
}

/// A node as the kernel wants it.
pub fn attr(ino: Ino, node: &Node) -> FileAttr {
    let Attributes {
        kind,
        permissions,
        uid,
        gid,
        accessed,
        modified,
        changed,
        device,
        ..
    } = node.attributes;
    FileAttr {
        ino: INodeNo(ino.0),
        size: node.size,
        blocks: node.size.div_ceil(512),
        atime: system_time(accessed),
        mtime: system_time(modified),
        ctime: system_time(changed),
        crtime: system_time(changed),
        kind: file_type(kind),
        perm: permissions as u16,
        nlink: links(ino, node),
        uid,
        gid,
        rdev: device,
        // What programs such as cp read and write at once.
        blksize: 1 << 20,
        flags: 0,
    }
}

/// A directory says 1, as on btrfs: how many directories are in it is not known.
fn links(ino: Ino, node: &Node) -> u32 {
    u32::from(node.is_named() || ino == ROOT)
}
