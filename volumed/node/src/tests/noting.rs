//! Notes of what extents hold, which spare a start the extents.

use volumed_core::format::SumsHeader;

use super::*;

/// So many are worth a note.
const EXTENTS: u64 = 64;

/// Has every header say that its extent holds three blocks.
fn change_headers(folder: &TempDir) {
    for data in extent_files(folder) {
        let sums = data.with_extension("sums");
        let mut bytes = std::fs::read(&sums).unwrap();
        let mut header = SumsHeader::decode(&bytes[..4096]).unwrap();
        header.allocated = 3;
        bytes.splice(..4096, header.encode());
        std::fs::write(&sums, bytes).unwrap();
    }
}

async fn used(volumes: &Volumes) -> u64 {
    volumes.show(&name("v")).await.unwrap().used.0 / 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_start_after_a_clean_stop_believes_what_was_noted() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    for extent in 0..EXTENTS {
        let written = write(&export, extent * 64 * MIB, &[7; 4096], false).await;
        written.unwrap();
    }
    drop(export);
    volumes.stop().await;
    kill(volumes).await;
    change_headers(&folder);

    let volumes = start(&folder).await;
    assert_eq!(used(&volumes).await, EXTENTS);
    let export = open(&volumes, "v").await.unwrap();
    write(&export, 5000, b"one block more", true).await.unwrap();
    drop(export);
    kill(volumes).await;

    // The extent that was written to is dirty, and what it holds is not known exactly.
    let volumes = start(&folder).await;
    assert!(used(&volumes).await >= 3 * (EXTENTS - 1) + 2);
}
