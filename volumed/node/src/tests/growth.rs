//! Volumes grow under their connections.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_write_beyond_the_old_end_at_once() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), ByteCount(MIB), 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"first", false).await.unwrap();
    let refused = write(&export, MIB, b"beyond", true).await;
    assert_eq!(refused, Err(IoError::Invalid));
    let grown = volumes
        .grow(&name("v"), Some(ByteCount(100 * MIB)), None)
        .await
        .unwrap();
    assert_eq!(
        (grown.size, export.size()),
        (ByteCount(100 * MIB), ByteCount(100 * MIB))
    );
    write(&export, MIB, b"beyond", true).await.unwrap();
    write(&export, 100 * MIB - 4, b"last", true).await.unwrap();
    assert_eq!(read(&export, MIB, 6).await.unwrap(), "beyond");
    assert_eq!(read(&export, 0, 5).await.unwrap(), "first");
    let refused = write(&export, 100 * MIB - 3, b"past", true).await;
    assert_eq!(refused, Err(IoError::Invalid));
    drop(export);
    kill(volumes).await;

    let volumes = start(&folder).await;
    assert_eq!(
        volumes.show(&name("v")).await.unwrap().size,
        ByteCount(100 * MIB)
    );
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 100 * MIB - 4, 4).await.unwrap(), "last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_the_last_extent_is_trimmed_by_its_new_end() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), ByteCount(MIB), 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, b"first", true).await.unwrap();
    volumes
        .grow(&name("v"), Some(ByteCount(2 * MIB)), None)
        .await
        .unwrap();
    write(&export, MIB, b"second", true).await.unwrap();
    // All of the old size is not all of the extent any more.
    let trim = Request::Trim {
        offset: 0,
        length: MIB,
        fua: true,
    };
    ask(&export, trim).await.unwrap();
    assert_eq!(read(&export, 0, 5).await.unwrap(), vec![0; 5]);
    assert_eq!(read(&export, MIB, 6).await.unwrap(), "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_never_gets_smaller() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), ByteCount(2 * MIB), 1, None, None)
        .await
        .unwrap();
    let grow = async |size| volumes.grow(&name("v"), Some(ByteCount(size)), None).await;
    assert!(matches!(grow(MIB).await, Err(GrowVolumeError::Smaller(..))));
    assert!(matches!(
        grow(2 * MIB + 1).await,
        Err(GrowVolumeError::Size)
    ));
    assert!(matches!(
        grow((1 << 60) + 4096).await,
        Err(GrowVolumeError::Size)
    ));
    assert_eq!(grow(2 * MIB).await.unwrap().size, ByteCount(2 * MIB));
    let absent = volumes.grow(&name("w"), Some(ByteCount(MIB)), None).await;
    assert!(matches!(absent, Err(GrowVolumeError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_grows_by_itself_up_to_its_largest_size() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let auto = |max| AutoGrow {
        free_percent: 50,
        max_size: max,
    };
    let refused = volumes
        .create(&name("v"), ByteCount(2 * MIB), 1, Some(auto(MIB)), None)
        .await;
    assert!(matches!(refused, Err(CreateVolumeError::AutoGrow)));
    volumes
        .create(&name("v"), ByteCount(MIB), 1, Some(auto(70 * MIB)), None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    let size = async || volumes.show(&name("v")).await.unwrap().size.0;
    let tick = async || {
        volumes.shared.tick();
        let volume = volumes.find_here(&name("v")).unwrap();
        while volume.growing.load(std::sync::atomic::Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
    };
    let half = vec![7; MIB as usize / 2];
    write(&export, 0, &half, false).await.unwrap();
    tick().await;
    assert_eq!(size().await, MIB);
    write(&export, MIB / 2, &half, false).await.unwrap();
    tick().await;
    assert_eq!(size().await, 65 * MIB);
    assert_eq!(export.size().0, 65 * MIB);
    let much = vec![7; 34 * MIB as usize];
    write(&export, MIB, &much, false).await.unwrap();
    tick().await;
    assert_eq!(size().await, 70 * MIB);
    volumes
        .grow(&name("v"), None, Some(auto(1 << 40)))
        .await
        .unwrap();
    write(&export, 35 * MIB, &half, false).await.unwrap();
    tick().await;
    assert_eq!(size().await, 140 * MIB);
}
