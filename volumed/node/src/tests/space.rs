//! Quotas, and a pool that fills up, on real files.

use super::*;

const BLOCK: u64 = 4096;

fn blocks(count: u64) -> Vec<u8> {
    vec![7; (count * BLOCK) as usize]
}

async fn used(volumes: &Volumes, volume: &str) -> u64 {
    let view = volumes.show(&name(volume)).await.unwrap();
    assert!(view.quota.is_none_or(|quota| view.used <= quota));
    view.used.0 / BLOCK
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_exact_and_outlives_the_daemon() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    let quota = Some(ByteCount(10 * BLOCK));
    volumes
        .create(&name("v"), EIB, 1, None, quota)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    for extent in 0..5 {
        write(&export, extent * 64 * MIB, &blocks(2), false)
            .await
            .unwrap();
    }
    let no_room = Err(IoError::NoSpace);
    assert_eq!(write(&export, 64 * MIB - 1, b"ab", true).await, no_room);
    assert_eq!(read(&export, 64 * MIB, 1).await.unwrap(), vec![7]);
    write(&export, 0, &blocks(2), true).await.unwrap();
    drop(export);
    kill(volumes).await;

    let volumes = start(&folder).await;
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(write(&export, MIB, b"a", true).await, no_room);
    let trim = Request::Trim {
        offset: 0,
        length: BLOCK,
        fua: false,
    };
    ask(&export, trim).await.unwrap();
    write(&export, MIB, b"a", true).await.unwrap();
    assert_eq!(used(&volumes, "v").await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_changes_under_connections() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 0, &blocks(4), false).await.unwrap();
    let limit = async |blocks: Option<u64>| {
        let quota = blocks.map(|blocks| ByteCount(blocks * BLOCK));
        volumes.limit(&name("v"), quota).await.unwrap().quota
    };
    assert_eq!(limit(Some(2)).await, Some(ByteCount(2 * BLOCK)));
    let no_room = Err(IoError::NoSpace);
    assert_eq!(write(&export, MIB, b"a", false).await, no_room);
    write(&export, 0, &blocks(4), false).await.unwrap();
    limit(Some(5)).await;
    write(&export, MIB, b"a", false).await.unwrap();
    assert_eq!(write(&export, 2 * MIB, b"a", false).await, no_room);
    assert_eq!(limit(None).await, None);
    write(&export, 2 * MIB, b"a", false).await.unwrap();
    let odd = volumes.limit(&name("v"), Some(ByteCount(BLOCK + 1))).await;
    assert!(matches!(odd, Err(LimitVolumeError::Quota)));
    let odd = Some(ByteCount(1));
    let odd = volumes.create(&name("w"), EIB, 1, None, odd).await;
    assert!(matches!(odd, Err(CreateVolumeError::Quota)));
    let absent = volumes.limit(&name("w"), None).await;
    assert!(matches!(absent, Err(LimitVolumeError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_share_the_last_of_a_pool() {
    let folder = TempDir::new().unwrap();
    let volumes = start_on(&folder, Some(100 * BLOCK)).await.unwrap();
    for volume in ["a", "b"] {
        volumes
            .create(&name(volume), EIB, 1, None, None)
            .await
            .unwrap();
    }
    let (a, b) = (
        open(&volumes, "a").await.unwrap(),
        open(&volumes, "b").await.unwrap(),
    );
    write(&a, 0, &blocks(1), false).await.unwrap();
    // What the first volume was granted ahead does not stand in the way of the second.
    let edge = 64 * MIB - 50 * BLOCK;
    assert_eq!(
        write(&b, edge, &blocks(100), false).await,
        Err(IoError::NoSpace)
    );
    assert_eq!(
        (used(&volumes, "a").await, used(&volumes, "b").await),
        (1, 0)
    );
    write(&b, edge, &blocks(99), false).await.unwrap();
    assert_eq!(write(&a, MIB, b"a", false).await, Err(IoError::NoSpace));
    write(&a, 0, &blocks(1), false).await.unwrap();
    let pool = volumes.pool().await.unwrap();
    assert_eq!((pool.used.0, pool.free.0), (100 * BLOCK, 0));
    drop(b);
    volumes.delete(&name("b")).await.unwrap();
    write(&a, MIB, &blocks(99), false).await.unwrap();
}
