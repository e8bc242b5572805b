//! Copies of the store on the disks, and a copy in the store's place.

use volumed_meta::{Change, Compare, copy_file};

use super::*;
use crate::store::format;
use crate::store::restore::{Loss, RestoreError, Restored, restore};

fn store_file(folder: &TempDir) -> PathBuf {
    folder.path().join("meta.db")
}

fn copy_of(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join("disk/meta").join(name)
}

async fn put_back(
    folder: &TempDir,
    copy: &Path,
    accept_loss: bool,
) -> Result<Restored, RestoreError> {
    let disks = vec![disk(&folder.path().join("disk"), None)];
    let store = store_file(folder);
    let beside = store.with_added_extension("restoring");
    restore(copy, &store.into(), &beside, disks, accept_loss, |_, _| {}).await
}

async fn loss(folder: &TempDir, copy: &Path) -> Loss {
    match put_back(folder, copy, false).await {
        Err(RestoreError::Loss(loss)) => loss,
        other => panic!("{other:?}"),
    }
}

/// A volume with an extent of data.
async fn fill(volumes: &Volumes, volume: &str) {
    volumes
        .create(&name(volume), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(volumes, volume).await.unwrap();
    write(&export, 0, b"data", true).await.unwrap();
}

async fn assert_filled(volumes: &Volumes, volume: &str) {
    let export = open(volumes, volume).await.unwrap();
    assert_eq!(read(&export, 0, 4).await.unwrap(), "data");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_a_day_is_made_and_seven_are_kept() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    for day in 1..=9 {
        volumes
            .copy_to_disks(&format!("2026-11-0{day}"))
            .await
            .unwrap();
    }
    let generation = volumes.store().await.unwrap().generation;
    volumes.copy_to_disks("2026-11-09").await.unwrap();
    let store = volumes.store().await.unwrap();
    assert_eq!(store.generation, generation, "the day had its copy");
    let [disk] = &store.disks[..] else {
        panic!("{store:?}")
    };
    let names = disk
        .copies
        .iter()
        .map(|copy| copy.path.file_name().unwrap());
    let expected: Vec<_> = (3..=9).map(|day| format!("2026-11-0{day}.db")).collect();
    assert!(names.eq(expected.iter().map(String::as_str)), "{disk:?}");
    assert_eq!((store.failures, &disk.failure), (0, &None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_is_told_until_one_succeeds() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let in_the_way = folder.path().join("disk/meta");
    std::fs::write(&in_the_way, "").unwrap();
    volumes.copy_to_disks("2026-11-01").await.unwrap();
    let store = volumes.store().await.unwrap();
    let failure = store.disks[0].failure.as_ref().unwrap();
    assert!(failure.contains("disk/meta"), "{failure}");
    assert_eq!(store.failures, 1);
    std::fs::remove_file(in_the_way).unwrap();
    volumes.copy_to_disks("2026-11-01").await.unwrap();
    let store = volumes.store().await.unwrap();
    assert_eq!((store.disks[0].copies.len(), store.failures), (1, 1));
    assert_eq!(store.disks[0].failure, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_put_back_by_hand_is_refused_though_nothing_was_placed_since() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let copy = folder.path().join("backup.db");
    volumes.back_up(&copy).await.unwrap();
    kill(volumes).await;
    std::fs::rename(&copy, store_file(&folder)).unwrap();
    let _ = std::fs::remove_file(folder.path().join("meta.db-wal"));
    let refused = start_on(&folder, None).await.err().expect("a refusal");
    assert!(
        matches!(refused, StartError::OlderStore { .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_is_restored_from_a_copy() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    fill(&volumes, "v").await;
    volumes.copy_to_disks("2026-11-01").await.unwrap();
    kill(volumes).await;
    std::fs::write(store_file(&folder), "rotten ".repeat(1_000)).unwrap();
    let copy = copy_of(&folder, "2026-11-01.db");
    // That the copy was made is all that happened since.
    let expected = Loss {
        generations: 1,
        ..Loss::default()
    };
    assert_eq!(loss(&folder, &copy).await, expected);
    let restored = put_back(&folder, &copy, true).await.unwrap();
    assert_eq!(restored.loss, expected);
    let kept = std::fs::read_to_string(restored.kept.unwrap()).unwrap();
    assert!(kept.starts_with("rotten"));
    let volumes = start(&folder).await;
    assert_filled(&volumes, "v").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_copy_lacks_is_counted_and_then_done_without() {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("backup.db");
    let volumes = start(&folder).await;
    fill(&volumes, "kept").await;
    fill(&volumes, "emptied").await;
    volumes.back_up(&copy).await.unwrap();
    fill(&volumes, "newer").await;
    let newer = volumes.show(&name("newer")).await.unwrap().id;
    for attachment in 1..=3 {
        let attached = volumes.attach(&name("kept"), owner("me")).await.unwrap();
        assert!(attached.epoch.0 > attachment);
    }
    volumes.delete(&name("emptied")).await.unwrap();
    kill(volumes).await;
    let before = extent_files(&folder).len();

    let found = loss(&folder, &copy).await;
    assert!(
        found.generations == 1 && found.revisions > Some(3),
        "{found:?}"
    );
    let Loss {
        unrecorded,
        missing,
        volumes,
        ..
    } = found;
    assert_eq!((unrecorded, missing, volumes), (1, 1, 1));
    assert_eq!(extent_files(&folder).len(), before, "nothing was done");
    start(&folder).await.stop().await;

    put_back(&folder, &copy, true).await.unwrap();
    let volumes = start(&folder).await;
    // V1: the replicas promised higher epochs than the copy knows of.
    assert_filled(&volumes, "kept").await;
    assert!(volumes.show(&name("newer")).await.is_err());
    let export = open(&volumes, "emptied").await.unwrap();
    assert_eq!(read(&export, 0, 4).await, Err(IoError::Io));
    let next = volumes
        .create(&name("next"), EIB, 1, None, None)
        .await
        .unwrap();
    assert!(next.id > newer, "an id is given once");
    let export = open(&volumes, "next").await.unwrap();
    write(&export, 0, b"more", true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_restored_leaves_everything_as_it_was() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let copy = other.path().join("backup.db");
    let volumes = start(&other).await;
    volumes.back_up(&copy).await.unwrap();
    kill(volumes).await;
    kill(start(&folder).await).await;
    let refused = put_back(&folder, &copy, true).await.unwrap_err();
    assert!(
        matches!(refused, RestoreError::Start(StartError::OtherStore { .. })),
        "{refused}"
    );

    let store = SqliteStore::open(store_file(&folder)).unwrap();
    let own = folder.path().join("own.db");
    copy_file(&store_file(&folder), &own, |_, _| {}).unwrap();
    let refused = put_back(&folder, &own, true).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Replace(_)), "{refused}");
    drop(store);
    let files = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    // The newest copy there can be has no loss.
    put_back(&folder, &own, false).await.unwrap();
    start(&folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_copied_before_its_format_changes() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let node = &volumes.shared.node;
    let all = node.disks.all();
    let disks = all.values().map(|on| (on.number, Arc::clone(&on.disk)));
    let disks = disks.collect();
    let (store, held) = (&*node.store, (all, disks));
    let disks = &held.1;
    let format = async || {
        let entry = store.get(b"store/format").await.unwrap().unwrap();
        String::from_utf8(entry.value)
            .unwrap()
            .parse::<u32>()
            .unwrap()
    };
    // There was nothing to copy when the store was new.
    assert!(!folder.path().join("disk/meta").exists());
    let now = format().await;
    assert_eq!(now, format::FORMAT);
    format::raise(store, disks, now + 1).await.unwrap();
    let copy = copy_of(&folder, &format!("format-{now}.db"));
    let copied = SqliteStore::open(&copy).unwrap();
    let entry = copied.get(b"store/format").await.unwrap().unwrap();
    assert_eq!(entry.value, now.to_string().into_bytes());
    assert_eq!(format().await, now + 1);

    std::fs::remove_dir_all(folder.path().join("disk/meta")).unwrap();
    std::fs::write(folder.path().join("disk/meta"), "").unwrap();
    let refused = format::raise(store, disks, now + 2).await.unwrap_err();
    assert!(matches!(refused, StartError::NotCopied(_)), "{refused}");
    assert_eq!(format().await, now + 1);
    let refused = format::raise(store, disks, now).await.unwrap_err();
    assert!(
        matches!(refused, StartError::NewerStore { .. }),
        "{refused}"
    );
    let put = Change::Put(b"store/format".to_vec(), b"99".to_vec());
    let none: Vec<Compare> = vec![];
    store.transact(none, vec![put]).await.unwrap();
    drop(held);
    kill(volumes).await;
    let refused = start_on(&folder, None).await.err().expect("a refusal");
    assert!(refused.to_string().contains("99"), "{refused}");
}
