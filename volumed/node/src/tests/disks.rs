//! Disks that come and go while volumes run.

use volumed_core::DiskId;

use super::damage::{damaged, noted, rot};
use super::*;
use crate::{ChangeDiskError, DiskState, ScrubSettings, ScrubState};

const GIB: u64 = 1 << 30;

pub(super) fn settings(folder: &TempDir, name: &str, capacity: u64) -> DiskSettings {
    disk(&folder.path().join(name), Some(capacity))
}

pub(super) fn store(folder: &TempDir) -> Arc<dyn MetaStore> {
    Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap())
}

/// A node with the disk "a", and the volume "v" open.
async fn with_a_volume(folder: &TempDir, capacity: u64) -> (Volumes, Arc<Export>) {
    let disks = vec![settings(folder, "a", capacity)];
    let volumes = Volumes::start(store(folder), disks, OPEN_EXTENTS, None)
        .await
        .unwrap();
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    (volumes, export)
}

async fn states(volumes: &Volumes) -> Vec<DiskState> {
    let disks = volumes.disks().await;
    disks.iter().map(|disk| disk.state).collect()
}

/// Has the next write of a volume's log fail, and with it the disk (V8).
pub(super) fn break_log(folder: &TempDir, disk: &str) -> PathBuf {
    let log = folder.path().join(disk).join("volumes/v00000001/dirty");
    std::fs::rename(&log, log.with_extension("aside")).unwrap();
    std::fs::create_dir(&log).unwrap();
    log
}

/// As it was: what it names is all that tells which sums do not count (V5).
pub(super) fn mend_log(log: &Path) {
    std::fs::remove_dir(log).unwrap();
    std::fs::rename(log.with_extension("aside"), log).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_added_under_a_running_volume_and_found_at_the_next_start() {
    let folder = TempDir::new().unwrap();
    // Room for one block, which is written.
    let (volumes, export) = with_a_volume(&folder, 4096).await;
    write(&export, 0, &[1; 4096], true).await.unwrap();
    let full = write(&export, 64 * MIB, &[2; 4096], true).await;
    assert_eq!(full, Err(IoError::NoSpace));
    let added = volumes.add_disk(settings(&folder, "b", GIB)).await.unwrap();
    assert_eq!(added.sharers, 2);
    let again = volumes.add_disk(settings(&folder, "b", GIB)).await;
    assert!(matches!(again, Err(ChangeDiskError::InPool(id)) if id == added.id));
    while write(&export, 64 * MIB, &[2; 4096], true).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let used: Vec<_> = volumes.disks().await.iter().map(|it| it.used.0).collect();
    assert_eq!(used, [4096, 4096]);
    drop(export);
    kill(volumes).await;

    let disks = vec![settings(&folder, "a", 4096)];
    let volumes = Volumes::start(store(&folder), disks, OPEN_EXTENTS, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 64 * MIB, 4096).await.unwrap(), vec![2; 4096]);
    assert_eq!(volumes.disks().await[1].capacity, ByteCount(GIB));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_added_disk_that_is_missing_at_the_start_is_taken_in_later() {
    let folder = TempDir::new().unwrap();
    let (volumes, export) = with_a_volume(&folder, 4096).await;
    write(&export, 0, &[1; 4096], true).await.unwrap();
    let id = volumes
        .add_disk(settings(&folder, "b", GIB))
        .await
        .unwrap()
        .id;
    while write(&export, 64 * MIB, &[2; 4096], true).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(export);
    kill(volumes).await;
    let (place, away) = (folder.path().join("b"), folder.path().join("away"));
    std::fs::rename(&place, &away).unwrap();

    let disks = vec![settings(&folder, "a", 4096)];
    let volumes = Volumes::start(store(&folder), disks, OPEN_EXTENTS, None)
        .await
        .unwrap();
    assert_eq!(
        states(&volumes).await,
        [DiskState::Online, DiskState::Missing]
    );
    assert!(!place.exists(), "no other disk is made there");
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 0, 4096).await.unwrap(), vec![1; 4096]);
    assert_eq!(read(&export, 64 * MIB, 4096).await, Err(IoError::Io));
    let refused = volumes.retry_disk(id).await.unwrap_err();
    assert!(
        matches!(refused, ChangeDiskError::Missing { .. }),
        "{refused}"
    );

    std::fs::rename(&away, &place).unwrap();
    let revoked = export.revoked();
    tokio::spawn(async move {
        revoked.await;
        drop(export);
    });
    volumes.retry_disk(id).await.unwrap();
    assert_eq!(
        states(&volumes).await,
        [DiskState::Online, DiskState::Online]
    );
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 64 * MIB, 4096).await.unwrap(), vec![2; 4096]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_disk_is_taken_back() {
    let folder = TempDir::new().unwrap();
    let (volumes, export) = with_a_volume(&folder, GIB).await;
    let id = volumes.disks().await[0].id;
    assert!(matches!(
        volumes.retry_disk(id).await,
        Err(ChangeDiskError::Serves(_))
    ));
    let unknown = volumes.retry_disk(DiskId(1)).await;
    assert!(matches!(unknown, Err(ChangeDiskError::NotFound(_))));
    write(&export, 0, b"kept", true).await.unwrap();
    let incarnation = incarnation(&folder);

    let log = break_log(&folder, "a");
    let failed = write(&export, 8 * MIB, b"lost", true).await;
    assert_eq!(failed, Err(IoError::Io));
    assert_eq!(states(&volumes).await, [DiskState::Failed]);
    assert_eq!(read(&export, 0, 4).await, Err(IoError::Io));
    // The other volumes wait for a disk that is well.
    volumes
        .create(&name("w"), EIB, 1, None, None)
        .await
        .unwrap();

    // V9: who did not flush is told that what it wrote may be lost.
    let (tell, told) = tokio::sync::oneshot::channel();
    let revoked = export.revoked();
    tokio::spawn(async move {
        revoked.await;
        drop(export);
        tell.send(()).unwrap();
    });
    mend_log(&log);
    let disk = volumes.retry_disk(id).await.unwrap();
    told.await.unwrap();
    assert_eq!(disk.state, DiskState::Online);
    assert_ne!(self::incarnation(&folder), incarnation);
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 0, 4).await.unwrap(), &b"kept"[..]);
    write(&export, 8 * MIB, b"again", true).await.unwrap();
    assert_eq!(read(&export, 8 * MIB, 5).await.unwrap(), &b"again"[..]);
    let other = open(&volumes, "w").await.unwrap();
    write(&other, 0, b"other", true).await.unwrap();
    drop((export, other));
    volumes.stop().await;
}

fn incarnation(folder: &TempDir) -> Vec<u8> {
    let state = std::fs::read(folder.path().join("a/state")).unwrap();
    let newest = |slot: &[u8]| u64::from_le_bytes(slot[16..24].try_into().unwrap());
    let slots = state.chunks(4096).filter(|slot| slot.len() > 84);
    let slot = slots.max_by_key(|slot| newest(slot)).unwrap();
    // After sequence, disk, store and generation.
    slot[16 + 48..16 + 56].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_does_without_a_failed_disk_that_holds_nothing_of_it() {
    let folder = TempDir::new().unwrap();
    let disks = vec![settings(&folder, "a", GIB), settings(&folder, "b", 4096)];
    let volumes = Volumes::start(store(&folder), disks, OPEN_EXTENTS, None)
        .await
        .unwrap();
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &[1; 4096], true).await.unwrap();
    let used: Vec<_> = volumes.disks().await.iter().map(|it| it.used.0).collect();
    assert_eq!(used, [4096, 0], "the extent is where the room is");
    drop(export);
    let attached = volumes.attach(&name("v"), owner("o")).await.unwrap();
    assert_eq!(attached.size, EIB);
    volumes.detach(&name("v"), &owner("o")).await.unwrap();
    for on in volumes.shared.node.disks.all().values().skip(1) {
        let promise = on.disk.path().join("volumes/v00000001/promise");
        let _ = std::fs::remove_file(&promise);
        std::fs::create_dir_all(&promise).unwrap();
    }
    // The first head finds out, the next one does without.
    let mut export = open(&volumes, "v").await;
    if export.is_err() {
        export = open(&volumes, "v").await;
    }
    let export = export.unwrap();
    assert_eq!(states(&volumes).await[1], DiskState::Failed);
    assert_eq!(read(&export, 0, 4096).await.unwrap(), vec![1; 4096]);
    write(&export, 0, &[3; 4096], true).await.unwrap();
}

/// Has a disk fail, by a volume made for it.
async fn fail(volumes: &Volumes, folder: &TempDir, disk: &str) -> DiskId {
    let made = volumes.create(&name("x"), EIB, 1, None, None).await;
    let volume = folder.path().join(disk).join("volumes");
    let promise = volume.join(made.unwrap().id.to_string()).join("promise");
    std::fs::create_dir_all(&promise).unwrap();
    // Its head does without the disk, if there is another one.
    drop(open(volumes, "x").await);
    let disks = volumes.disks().await;
    let failed = disks.iter().find(|it| it.state == DiskState::Failed);
    std::fs::remove_dir(&promise).unwrap();
    failed.unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_volume_with_nothing_on_a_disk_goes_on_and_uses_it_once_it_is_back() {
    let folder = TempDir::new().unwrap();
    let disks = vec![settings(&folder, "a", GIB), settings(&folder, "b", GIB)];
    let volumes = Volumes::start(store(&folder), disks, OPEN_EXTENTS, None)
        .await
        .unwrap();
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    let id = fail(&volumes, &folder, "b").await;
    for extent in 0..8 {
        write(&export, extent * 64 * MIB, &[1; 4096], true)
            .await
            .unwrap();
    }
    volumes.retry_disk(id).await.unwrap();
    // V7: it is another one than the head knew, which must not be placed on before it promised anew.
    let mut extent = 8;
    let used = async || volumes.disks().await[1].used.0;
    while used().await == 0 {
        write(&export, extent * 64 * MIB, &[2; 4096], true)
            .await
            .unwrap();
        extent += 1;
    }
    for extent in 0..extent {
        let expected = if extent < 8 { 1 } else { 2 };
        let found = read(&export, extent * 64 * MIB, 4096).await.unwrap();
        assert_eq!(found, vec![expected; 4096]);
    }
    open(&volumes, "x").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_on_a_disk_is_known_when_it_is_taken_back() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &[7; 2 * 4096], true).await.unwrap();
    rot(&folder, 0);
    assert_eq!(read(&export, 0, 1).await, Err(IoError::Io));
    noted(&volumes, 1).await;
    drop(export);
    let id = fail(&volumes, &folder, "disk").await;
    volumes.retry_disk(id).await.unwrap();
    assert_eq!(damaged(&volumes), [(0, 4096)]);
    assert_eq!(volumes.disks().await[0].used, ByteCount(2 * 4096));
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &[8; 4096], true).await.unwrap();
    assert_eq!(damaged(&volumes), []);
    noted(&volumes, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_was_added_is_scrubbed() {
    let folder = TempDir::new().unwrap();
    let (volumes, export) = with_a_volume(&folder, 4096).await;
    write(&export, 0, &[1; 4096], true).await.unwrap();
    let scrub = ScrubSettings {
        every: None,
        rate: ByteCount(GIB),
    };
    volumes.scrub_in_background(scrub).await;
    let added = volumes.add_disk(settings(&folder, "b", GIB)).await.unwrap();
    while write(&export, 64 * MIB, &[2; 4096], true).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let scrubs = volumes.scrubs();
    let disks: Vec<_> = scrubs.iter().map(|scrub| scrub.disk).collect();
    assert_eq!((disks.len(), disks[1]), (2, added.id));
    volumes.start_scrub().await;
    while volumes.scrubs()[1].ended.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(volumes.scrubs()[1].state, ScrubState::Idle);
    assert_eq!(volumes.scrubs()[1].checked, ByteCount(4096));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_disk_of_the_pool_is_not_added() {
    let folder = TempDir::new().unwrap();
    let (volumes, _export) = with_a_volume(&folder, GIB).await;
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(folder.path().join("a/disk.json"), copy.join("disk.json")).unwrap();
    let refused = volumes.add_disk(settings(&folder, "copy", GIB)).await;
    assert!(matches!(refused, Err(ChangeDiskError::InPool(_))));
    assert_eq!(states(&volumes).await, [DiskState::Online]);
}
