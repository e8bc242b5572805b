//! Answers as tables for people.

use comfy_table::{CellAlignment, Table, presets};
use volumed_client::admin::{DiskInfo, DiskState, PoolInfo, VolumeInfo};

use crate::size::display;

/// The pool.
pub fn pool(pool: &PoolInfo) -> String {
    facts(&[
        ("Capacity", display(pool.capacity)),
        ("Used", share(pool.used, pool.capacity)),
        ("Free", display(pool.free)),
        ("Disks", pool.disks.to_string()),
        ("Volumes", pool.volumes.to_string()),
    ])
}

/// Every disk.
pub fn disks(disks: &[DiskInfo]) -> String {
    if disks.is_empty() {
        return "The pool has no disks.".to_owned();
    }
    let rows = disks.iter().map(|disk| {
        vec![
            disk.id.clone(),
            state(disk.state).to_owned(),
            display(disk.capacity),
            share(disk.used, disk.capacity),
            display(disk.free),
            disk.path.display().to_string(),
        ]
    });
    columns(
        &["DISK", "STATE", "CAPACITY", "USED", "FREE", "PATH"],
        &[2, 3, 4],
        rows,
    )
}

/// One disk.
pub fn disk(disk: &DiskInfo) -> String {
    facts(&[
        ("Disk", disk.id.clone()),
        ("State", state(disk.state).to_owned()),
        ("Path", disk.path.display().to_string()),
        ("Capacity", display(disk.capacity)),
        ("Used", share(disk.used, disk.capacity)),
        ("Free", display(disk.free)),
    ])
}

/// Every volume.
pub fn volumes(volumes: &[VolumeInfo]) -> String {
    if volumes.is_empty() {
        return "There are no volumes. Create one: volumed volume create NAME --size 10GiB"
            .to_owned();
    }
    let rows = volumes.iter().map(|volume| {
        vec![
            volume.name.clone(),
            display(volume.size),
            display(volume.used),
            volume.replicas.to_string(),
            volume.owner.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    columns(
        &["VOLUME", "SIZE", "USED", "REPLICAS", "OWNER"],
        &[1, 2, 3],
        rows,
    )
}

/// One volume.
pub fn volume(volume: &VolumeInfo) -> String {
    facts(&[
        ("Volume", volume.name.clone()),
        ("Id", volume.id.clone()),
        ("Size", display(volume.size)),
        ("Used", display(volume.used)),
        ("Replicas", volume.replicas.to_string()),
        ("Epoch", volume.epoch.to_string()),
        (
            "Owner",
            volume.owner.clone().unwrap_or_else(|| "nobody".to_owned()),
        ),
    ])
}

fn state(state: DiskState) -> &'static str {
    match state {
        DiskState::Online => "online",
        DiskState::Failed => "failed",
    }
}

fn share(used: u64, capacity: u64) -> String {
    let percent = (u128::from(used) * 100)
        .checked_div(u128::from(capacity))
        .unwrap_or(0);
    format!("{} ({percent} %)", display(used))
}

fn facts(facts: &[(&str, String)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in facts {
        table.add_row([*name, value]);
    }
    table.trim_fmt()
}

fn columns(header: &[&str], right: &[usize], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header)
        .add_rows(rows);
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
