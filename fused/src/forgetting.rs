//! The kernel keeps what it was told of a file until its own memory is short, and as long as it does, so
//! has this process to: beyond some number it is asked to forget those that it has known longest.

use std::sync::Arc;
use std::time::Duration;

use fused_fs::tree::{Ino, ROOT};
use fuser::{INodeNo, Notifier};

use crate::following::shown;
use crate::mount::Mount;

/// How many inodes are known before any is forgotten.
const MOST: usize = 50_000;

/// Most that are forgotten before it is looked again how many there are.
const BATCH: usize = 10_000;

/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(100);

/// The pause when all have been tried: those that are left are used.
const LONG_PERIOD: Duration = Duration::from_secs(1);

/// Starts to watch how many inodes are known.
pub fn start(mount: &Arc<Mount>, notifier: Notifier) {
    let mount = mount.clone();
    // The kernel answers when whoever uses the directory is done with it.
    std::thread::spawn(move || {
        let mut last = ROOT;
        loop {
            std::thread::sleep(PERIOD);
            last = forget_unused(&mount, &notifier, last).unwrap_or_else(|| {
                std::thread::sleep(LONG_PERIOD);
                ROOT
            });
        }
    });
}

/// Has the kernel forget files behind `after` as long as there are too many; answers the last one;
/// `None`: no more of them can be forgotten.
fn forget_unused(mount: &Mount, notifier: &Notifier, after: Ino) -> Option<Ino> {
    let unused = {
        let tree = mount.tree.lock();
        let many = tree.len().saturating_sub(MOST);
        if many == 0 {
            return Some(after);
        }
        tree.unused_files(after, many.min(BATCH))
    };
    for ino in &unused {
        forget(mount, notifier, *ino);
    }
    unused.last().copied()
}

fn forget(mount: &Mount, notifier: &Notifier, ino: Ino) {
    let shown = shown(&mount.tree.lock(), ino);
    if let Some((parent, name)) = shown
        && let Err(error) = notifier.inval_entry(INodeNo(parent.0), &name)
    {
        tracing::trace!(%error, "the kernel forgets nothing");
    }
}
