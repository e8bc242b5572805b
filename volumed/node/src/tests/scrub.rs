//! Disks are compared with their checksums though nobody reads.

use std::time::Duration;

use super::damage::{damaged, rot, rot_sum};
use super::*;
use crate::{ScrubSettings, ScrubState};

const SETTINGS: ScrubSettings = ScrubSettings {
    every: None,
    rate: ByteCount(1 << 30),
};

async fn until(volumes: &Volumes, state: ScrubState) {
    while volumes.scrubs()[0].state != state {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A volume with three regions of 4 MiB, in two extents.
async fn filled(folder: &TempDir) -> Volumes {
    let volumes = start(folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    for offset in [0, 8 * MIB, 70 * MIB] {
        write(&export, offset, &vec![7; 2 * MIB as usize], true)
            .await
            .unwrap();
    }
    drop(export);
    volumes.stop().await;
    kill(volumes).await;
    start(folder).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_finds_what_rotted_and_what_is_well_again() {
    let folder = TempDir::new().unwrap();
    let volumes = filled(&folder).await;
    volumes.scrub_in_background(SETTINGS).await;
    rot(&folder, 8 * MIB + 5000);
    assert_eq!(volumes.scrubs()[0].state, ScrubState::Idle);
    volumes.start_scrub().await;
    until(&volumes, ScrubState::Idle).await;
    assert_eq!(damaged(&volumes), [(8 * MIB + 4096, 4096)]);
    let scrub = &volumes.scrubs()[0];
    assert_eq!(scrub.checked, ByteCount(6 * MIB));
    assert!(scrub.ended.is_some() && scrub.due().is_none());
    // The bit flips back, as after a bad cable.
    rot(&folder, 8 * MIB + 5000);
    volumes.start_scrub().await;
    until(&volumes, ScrubState::Idle).await;
    assert_eq!(damaged(&volumes), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sum_that_rotted_to_a_hole_is_found_and_stays_known() {
    let folder = TempDir::new().unwrap();
    let volumes = filled(&folder).await;
    rot_sum(&folder, 3);
    volumes.scrub_in_background(SETTINGS).await;
    for _ in 0..2 {
        volumes.start_scrub().await;
        until(&volumes, ScrubState::Idle).await;
        assert_eq!(damaged(&volumes), [(3 * 4096, 4096)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_checked_does_not_count_as_well() {
    let folder = TempDir::new().unwrap();
    let volumes = filled(&folder).await;
    volumes.scrub_in_background(SETTINGS).await;
    // No file is opened where a folder is.
    let volume = folder.path().join("disk/volumes/v00000001");
    let sums = std::fs::read_dir(volume).unwrap();
    let mut sums = sums.map(|entry| entry.unwrap().path());
    let of_first = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("0.") && name.ends_with(".sums")
    };
    let sums = sums.find(of_first).unwrap();
    std::fs::remove_file(&sums).unwrap();
    std::fs::create_dir(&sums).unwrap();
    volumes.start_scrub().await;
    while volumes.scrubs()[0].unchecked == 0 {
        assert_eq!(volumes.scrubs()[0].state, ScrubState::Running);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(volumes.scrubs()[0].checked, ByteCount(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_goes_on_where_it_was_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let volumes = filled(&folder).await;
    // So slow that it ends within the first region.
    let slow = ScrubSettings {
        rate: ByteCount(64 << 10),
        ..SETTINGS
    };
    volumes.scrub_in_background(slow).await;
    volumes.start_scrub().await;
    while volumes.scrubs()[0].checked.0 == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    volumes.pause_scrub().await;
    until(&volumes, ScrubState::Paused).await;
    rot(&folder, 0);
    kill(volumes).await;

    let volumes = start(&folder).await;
    volumes.scrub_in_background(SETTINGS).await;
    assert_eq!(volumes.scrubs()[0].state, ScrubState::Paused);
    assert_eq!(volumes.scrubs()[0].checked, ByteCount(2 * MIB));
    volumes.start_scrub().await;
    until(&volumes, ScrubState::Idle).await;
    assert_eq!(volumes.scrubs()[0].checked, ByteCount(6 * MIB));
    assert_eq!(damaged(&volumes), [], "what rotted is in what was checked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_begins_by_itself_when_it_is_due() {
    let folder = TempDir::new().unwrap();
    let volumes = filled(&folder).await;
    let due = ScrubSettings {
        every: Some(Duration::from_secs(1)),
        ..SETTINGS
    };
    volumes.scrub_in_background(due).await;
    while volumes.scrubs()[0].ended.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspect_regions_of_a_volume_that_nobody_opened_are_summed_anew() {
    let folder = TempDir::new().unwrap();
    let volumes = start(&folder).await;
    volumes
        .create(&name("v"), EIB, 1, None, None)
        .await
        .unwrap();
    let export = open(&volumes, "v").await.unwrap();
    for region in 0..3 {
        write(&export, region * 4 * MIB, b"unclean", true)
            .await
            .unwrap();
    }
    drop(export);
    kill(volumes).await;

    let volumes = start(&folder).await;
    assert!(volumes.suspect_regions() >= 3);
    volumes.scrub_in_background(SETTINGS).await;
    while volumes.suspect_regions() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let export = open(&volumes, "v").await.unwrap();
    assert_eq!(read(&export, 8 * MIB, 7).await.unwrap(), "unclean");
    assert_eq!(damaged(&volumes), []);
}
