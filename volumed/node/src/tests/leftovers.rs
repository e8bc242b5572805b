//! Files that no record names: what is collected at a start, and what refuses it.

use volumed_core::message::ExtentFile;
use volumed_core::{Alloc, ExtentIndex};

use super::*;

/// A volume with one extent; answers its folder.
async fn volume_with_data(folder: &TempDir) -> PathBuf {
    let volumes = start(folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"data", true).await.unwrap();
    drop(export);
    kill(volumes).await;
    extent_files(folder)[0].parent().unwrap().to_owned()
}

/// Where the store is.
async fn revision(folder: &TempDir) -> u64 {
    let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
    store.revision().await.unwrap()
}

async fn refusal(folder: &TempDir) -> StartError {
    start_on(folder, None).await.err().expect("a refusal")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_are_collected_and_foreign_disks_refused() {
    let folder = TempDir::new().unwrap();
    let volume = volume_with_data(&folder).await;
    std::fs::write(volume.join("7.1.data"), b"left by a crash").unwrap();
    std::fs::create_dir(volume.with_file_name("v000000ff")).unwrap();
    kill(start(&folder).await).await;
    assert_eq!(extent_files(&folder).len(), 2);
    assert!(!volume.with_file_name("v000000ff").exists());

    std::fs::write(volume.join("7.999.data"), b"newer than the store").unwrap();
    let refused = refusal(&folder).await;
    assert!(
        matches!(refused, StartError::RolledBack { alloc: 999, .. }),
        "{refused}"
    );

    std::fs::rename(folder.path().join("meta.db"), folder.path().join("old.db")).unwrap();
    let refused = refusal(&folder).await;
    assert!(
        matches!(refused, StartError::OtherStore { .. }),
        "{refused}"
    );
    std::fs::remove_file(folder.path().join("disk/state")).unwrap();
    let refused = refusal(&folder).await;
    assert!(matches!(refused, StartError::ForeignDisk(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_rolled_back_by_one_revision_is_refused() {
    let folder = TempDir::new().unwrap();
    let store = |suffix: &str| folder.path().join(format!("meta.db{suffix}"));
    let copy = |suffix: &str| folder.path().join(format!("copy.db{suffix}"));
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    for file in ["", "-wal"] {
        std::fs::copy(store(file), copy(file)).unwrap();
    }
    // The next revision is the extent's record.
    write(&export, 0, b"data", true).await.unwrap();
    drop(export);
    kill(volumes).await;
    for file in ["", "-wal"] {
        std::fs::rename(copy(file), store(file)).unwrap();
    }
    let before = revision(&folder).await;
    // A daemon that is started again and again must not wear the refusal out.
    for _ in 0..3 {
        let refused = refusal(&folder).await;
        assert!(
            matches!(refused, StartError::Unrecorded { .. }),
            "{refused}"
        );
    }
    assert_eq!(revision(&folder).await, before);
    assert_eq!(extent_files(&folder).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_the_store_cannot_have_removed_is_not_collected() {
    let folder = TempDir::new().unwrap();
    let volume = volume_with_data(&folder).await;
    let revision = revision(&folder).await;
    for (of, alloc) in [(volume.clone(), revision), (volume.clone(), revision - 1)] {
        let file = of.join(format!("7.{alloc}.data"));
        std::fs::write(&file, b"whose record would be newer").unwrap();
        let refused = refusal(&folder).await;
        assert!(
            matches!(&refused, StartError::Unrecorded { path, .. } if *path == file),
            "{refused}"
        );
        std::fs::remove_file(file).unwrap();
    }
    let deleted = volume.with_file_name("v000000ff");
    std::fs::create_dir(&deleted).unwrap();
    std::fs::write(deleted.join(format!("0.{revision}.data")), b"the same").unwrap();
    let refused = refusal(&folder).await;
    assert!(
        matches!(refused, StartError::Unrecorded { .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_before_its_record_is_collected() {
    let folder = TempDir::new().unwrap();
    volume_with_data(&folder).await;
    let revision = revision(&folder).await;
    let volumes = start(&folder).await;
    let id = volumes.show(&name("v")).await.unwrap().id;
    let placed = [7, 8].map(|extent| ExtentFile {
        extent: ExtentIndex(extent),
        alloc: Alloc(revision),
    });
    for on in volumes.shared.node.disks.all().values() {
        on.disk.create_extents(id, &placed).unwrap();
    }
    kill(volumes).await;
    assert_eq!(extent_files(&folder).len(), 6);
    kill(start(&folder).await).await;
    assert_eq!(extent_files(&folder).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_start_removes_nothing_on_any_disk() {
    let folder = TempDir::new().unwrap();
    let start = async || {
        let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
        let disks = ["one", "two"].map(|path| disk(&folder.path().join(path), None));
        Volumes::start(Arc::new(store), disks.into(), OPEN_EXTENTS, None).await
    };
    kill(start().await.unwrap()).await;
    let files = ["one", "two"].map(|disk| {
        let volume = folder.path().join(disk).join("volumes/v00000001");
        std::fs::create_dir(&volume).unwrap();
        volume
    });
    std::fs::write(files[0].join("0.0.data"), b"").unwrap();
    std::fs::write(files[1].join("0.999.data"), b"").unwrap();
    let refused = start().await.err().expect("a refusal");
    assert!(
        matches!(refused, StartError::RolledBack { .. }),
        "{refused}"
    );
    assert!(files[0].join("0.0.data").exists());
    std::fs::remove_file(files[1].join("0.999.data")).unwrap();
    kill(start().await.unwrap()).await;
    assert!(!files[0].exists() && !files[1].exists());
}

/// Copies or brings back the store and what belongs to it.
fn copy_store(from: &Path, to: &Path) {
    for file in ["meta.db", "meta.db-wal"] {
        let _ = std::fs::remove_file(to.join(file));
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_store_or_of_a_disk_is_refused_though_no_extent_tells() {
    let (folder, copies) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    kill(start(&folder).await).await;
    let state = folder.path().join("disk/state");
    copy_store(folder.path(), copies.path());
    std::fs::copy(&state, copies.path().join("state")).unwrap();
    kill(start(&folder).await).await;

    let newest = TempDir::new().unwrap();
    copy_store(folder.path(), newest.path());
    copy_store(copies.path(), folder.path());
    let refused = refusal(&folder).await;
    assert!(
        matches!(
            refused,
            StartError::OlderStore {
                known: 2,
                store: 1,
                ..
            }
        ),
        "{refused}"
    );
    copy_store(newest.path(), folder.path());
    kill(start(&folder).await).await;

    std::fs::copy(copies.path().join("state"), &state).unwrap();
    let refused = refusal(&folder).await;
    assert!(
        matches!(
            refused,
            StartError::OlderDisk {
                known: 1,
                recorded: 3,
                ..
            }
        ),
        "{refused}"
    );
    std::fs::remove_file(&state).unwrap();
    kill(start(&folder).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_was_counted_and_not_noted_on_the_disk_is_no_rollback() {
    let folder = TempDir::new().unwrap();
    kill(start(&folder).await).await;
    let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
    let counted = volumed_meta::Change::Put(b"store/generation".to_vec(), b"2".to_vec());
    store.transact(Vec::new(), vec![counted]).await.unwrap();
    drop(store);
    let volumes = start(&folder).await;
    let disks = volumes.shared.node.disks.all();
    let served = disks.values().map(|on| on.disk.served().unwrap().1.0);
    let served: Vec<_> = served.collect();
    drop(disks);
    assert_eq!(served, [3]);
    kill(volumes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_disk_of_another_store_is_refused() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for folder in [&folder, &other] {
        kill(start(folder).await).await;
    }
    let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
    let disks = vec![disk(&other.path().join("disk"), None)];
    let refused = Volumes::start(Arc::new(store), disks, OPEN_EXTENTS, None)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(refused, StartError::OtherStore { .. }),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disks_number_is_never_given_again() {
    let folder = TempDir::new().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
    let with = async |names: &[&str]| {
        let disks = names
            .iter()
            .map(|name| disk(&folder.path().join(name), None));
        let started = Volumes::start(store.clone(), disks.collect(), OPEN_EXTENTS, None).await;
        let volumes = started.unwrap();
        let disks = volumes.shared.node.disks.all();
        let numbers = disks.values().map(|on| (on.number.0, on.disk.id()));
        let numbers: Vec<_> = numbers.collect();
        drop(disks);
        kill(volumes).await;
        numbers
    };
    let before = with(&["a", "b"]).await;
    assert_eq!((before[0].0, before[1].0), (0, 1));
    // The second one leaves, as a removal will have it.
    let changes = vec![
        volumed_meta::Change::Delete(format!("disks/{}", before[1].1).into_bytes()),
        volumed_meta::Change::Delete(b"disk-numbers/1".to_vec()),
    ];
    store.transact(Vec::new(), changes).await.unwrap();
    assert_eq!(with(&["a", "c"]).await[1].0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_made_anew_places_newer_extents_than_it_did_before() {
    let folder = TempDir::new().unwrap();
    volume_with_data(&folder).await;
    let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
    let base = volumed_meta::Change::Put(b"store/base".to_vec(), b"7000".to_vec());
    store.transact(Vec::new(), vec![base]).await.unwrap();
    drop(store);
    let volumes = start(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 0, 4).await.unwrap(), &b"data"[..]);
    write(&export, 640 * MIB, b"new", true).await.unwrap();
    let allocs = extent_files(&folder).into_iter().map(|file| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        name.split('.').nth(1).unwrap().parse::<u64>().unwrap()
    });
    assert!(allocs.max().unwrap() > 7000);
    drop(export);
    kill(volumes).await;
    kill(start(&folder).await).await;
}
