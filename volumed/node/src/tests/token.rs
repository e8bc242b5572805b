//! V9: who may go on after the daemon was started anew, and who is told that something may be lost.

use super::disks::{break_log, settings, store};
use super::*;
use crate::{Access, Attachment, ExportName, Token};

const GIB: u64 = 1 << 30;

/// A node with the disk "a", and the volume "v" attached by "one", who wrote and did not flush.
async fn written(folder: &TempDir) -> (Volumes, Attachment) {
    let volumes = started(folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let attached = volumes.attach(&name("v"), owner("one")).await.unwrap();
    let export = under(&volumes, attached.token).await.unwrap();
    write(&export, 0, b"not flushed", false).await.unwrap();
    (volumes, attached)
}

async fn started(folder: &TempDir) -> Volumes {
    let disks = vec![settings(folder, "a", GIB)];
    Volumes::start(store(folder), disks, OPEN_EXTENTS, None)
        .await
        .unwrap()
}

async fn under(volumes: &Volumes, token: Token) -> Result<Arc<Export>, OpenExportError> {
    let (volume, access) = (name("v"), Access::Token(token));
    volumes.open(&ExportName { volume, access }).await
}

async fn again(volumes: &Volumes) -> Attachment {
    volumes
        .attach_again(&name("v"), owner("one"))
        .await
        .unwrap()
}

/// The disk draws another incarnation when it is opened next, as after a reboot.
pub(super) fn lose(folder: &TempDir, disk: &str) {
    std::fs::remove_file(folder.path().join(disk).join("state")).unwrap();
}

fn is_lost<T>(outcome: Result<T, OpenExportError>) -> bool {
    let Err(error) = outcome else { return false };
    let lost = matches!(error, OpenExportError::UnflushedLost(_));
    assert!(lost && error.to_string().contains("may be lost"), "{error}");
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_outlives_the_daemon_and_not_what_was_lost() {
    let folder = TempDir::new().unwrap();
    let (volumes, attached) = written(&folder).await;
    kill(volumes).await;
    let volumes = started(&folder).await;
    let export = under(&volumes, attached.token).await.unwrap();
    assert_eq!(read(&export, 0, 11).await.unwrap(), &b"not flushed"[..]);
    ask(&export, Request::Flush).await.unwrap();
    let view = volumes.show(&name("v")).await.unwrap();
    assert!(view.epoch > attached.epoch, "V1: a new head");
    assert_eq!(view.owner, Some(owner("one")));
    let before = open(&volumes, &format!("v@{}", attached.epoch)).await;
    assert!(matches!(before, Err(OpenExportError::Epoch(..))));
    under(&volumes, attached.token)
        .await
        .expect("a second connection");
    drop(export);
    kill(volumes).await;

    lose(&folder, "a");
    for _ in 0..2 {
        let volumes = started(&folder).await;
        assert!(is_lost(under(&volumes, attached.token).await));
        kill(volumes).await;
    }
    let volumes = started(&folder).await;
    let next = again(&volumes).await;
    assert_ne!(next.token, attached.token);
    under(&volumes, next.token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_attaches_again_sees_by_its_token_whether_anything_is_lost() {
    let folder = TempDir::new().unwrap();
    let (volumes, attached) = written(&folder).await;
    assert_eq!(again(&volumes).await.token, attached.token);
    kill(volumes).await;
    let volumes = started(&folder).await;
    let second = again(&volumes).await;
    assert_eq!(second.token, attached.token);
    assert!(second.epoch > attached.epoch);
    kill(volumes).await;
    lose(&folder, "a");
    let volumes = started(&folder).await;
    assert_ne!(again(&volumes).await.token, attached.token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_with_its_owner() {
    let folder = TempDir::new().unwrap();
    let (volumes, one) = written(&folder).await;
    let export = under(&volumes, one.token).await.unwrap();
    let revoked = export.revoked();
    tokio::spawn(async move {
        revoked.await;
        drop(export);
    });
    let two = volumes.attach(&name("v"), owner("two")).await.unwrap();
    let refused = under(&volumes, one.token).await;
    assert!(matches!(refused, Err(OpenExportError::Token(_))));
    under(&volumes, two.token).await.unwrap();
    kill(volumes).await;
    let volumes = started(&folder).await;
    let refused = under(&volumes, one.token).await;
    assert!(matches!(refused, Err(OpenExportError::Token(_))));
    under(&volumes, two.token).await.unwrap();
    volumes.detach(&name("v"), &owner("two")).await.unwrap();
    let refused = under(&volumes, two.token).await;
    assert!(matches!(refused, Err(OpenExportError::Token(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_with_a_disk_that_failed() {
    let folder = TempDir::new().unwrap();
    let (volumes, attached) = written(&folder).await;
    let export = under(&volumes, attached.token).await.unwrap();
    let log = break_log(&folder, "a");
    let failed = write(&export, 8 * MIB, b"lost", true).await;
    assert_eq!(failed, Err(IoError::Io));
    drop(export);
    assert!(is_lost(under(&volumes, attached.token).await));
    std::fs::remove_dir(log).unwrap();
    let id = volumes.disks().await[0].id;
    volumes.retry_disk(id).await.unwrap();
    assert!(is_lost(under(&volumes, attached.token).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_disks_that_hold_something_end_a_token() {
    let folder = TempDir::new().unwrap();
    let (volumes, attached) = written(&folder).await;
    volumes.add_disk(settings(&folder, "b", GIB)).await.unwrap();
    kill(volumes).await;
    lose(&folder, "b");
    let volumes = started(&folder).await;
    let export = under(&volumes, attached.token).await.unwrap();
    // Until something is on the added disk, too.
    let mut extent = 1;
    while volumes.disks().await.iter().any(|disk| disk.used.0 == 0) {
        write(&export, extent * 64 * MIB, b"new", false)
            .await
            .unwrap();
        extent += 1;
    }
    drop(export);
    kill(volumes).await;
    let volumes = started(&folder).await;
    under(&volumes, attached.token).await.unwrap();
    kill(volumes).await;

    let (place, away) = (folder.path().join("b"), folder.path().join("away"));
    std::fs::rename(&place, &away).unwrap();
    let volumes = started(&folder).await;
    let refused = under(&volumes, attached.token).await;
    let passing = matches!(refused, Err(OpenExportError::Attach(AttachError::Io(_))));
    assert!(passing, "what is on the missing disk may be there still");
    std::fs::rename(&away, &place).unwrap();
    let missing = volumes.disks().await[1].id;
    volumes.retry_disk(missing).await.unwrap();
    under(&volumes, attached.token).await.unwrap();
    kill(volumes).await;
    lose(&folder, "b");
    let volumes = started(&folder).await;
    assert!(is_lost(under(&volumes, attached.token).await));
}
