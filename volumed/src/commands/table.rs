//! Answers as tables for people.

use comfy_table::{CellAlignment, Table, presets};
use time::OffsetDateTime;
use time::macros::format_description;
use volumed_client::admin::{
    ClusterInfo, DamagedRange, DiskInfo, DiskState, DrainInfo, DrainState, NodeInfo, PoolInfo,
    ScrubInfo, ScrubState, StoreCopies, StoreInfo, VolumeDamage, VolumeInfo,
};
use volumed_core::BLOCK_SIZE;
use volumed_core::size::display;
use volumed_node::Loss;

/// The pool.
pub fn pool(pool: &PoolInfo) -> String {
    let others = others(pool.capacity, pool.used, pool.free);
    facts(&[
        ("Capacity", display(pool.capacity)),
        ("Used", share(pool.used, pool.capacity)),
        ("Other files", display(others)),
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
            state(disk).to_owned(),
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
    let others = others(disk.capacity, disk.used, disk.free);
    let mut known = vec![
        ("Disk", disk.id.clone()),
        ("State", state(disk).to_owned()),
        ("Path", disk.path.display().to_string()),
        ("Capacity", display(disk.capacity)),
        ("Used", share(disk.used, disk.capacity)),
        ("Other files", display(others)),
        ("Free", display(disk.free)),
    ];
    known.extend(disk.drain.map(|drain| ("Drain", progress(&drain))));
    facts(&known)
}

/// Every node.
pub fn nodes(nodes: &[NodeInfo]) -> String {
    let rows = nodes.iter().map(|node| {
        let etcd = match node.etcd {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        vec![
            node.number.to_string(),
            node.name.clone(),
            node.addresses.join(" "),
            presence(node),
            etcd.to_owned(),
            node.disks.to_string(),
            display(node.capacity),
            share(node.used, node.capacity),
            display(node.free),
            node.served.to_string(),
        ]
    });
    columns(
        &[
            "NODE", "NAME", "ADDRESS", "STATE", "ETCD", "DISKS", "CAPACITY", "USED", "FREE",
            "SERVES",
        ],
        &[0, 5, 6, 7, 8, 9],
        rows,
    )
}

fn presence(node: &NodeInfo) -> String {
    match node.down_since {
        _ if node.up && node.unreachable.is_some() => "up, no link".to_owned(),
        _ if node.up && node.drain.is_some_and(|it| it.state == DrainState::Drained) => {
            "drained".to_owned()
        }
        _ if node.up && node.drain.is_some() => "draining".to_owned(),
        _ if node.up => "up".to_owned(),
        Some(since) => format!("down since {}", when(since)),
        None => "down".to_owned(),
    }
}

/// The cluster.
pub fn cluster(cluster: &ClusterInfo) -> String {
    let members = cluster.members.as_ref().map_or_else(
        || "does not answer".to_owned(),
        |members| {
            let member = |member: &volumed_client::admin::StoreMember| {
                let name = member.node.as_deref().unwrap_or("a node that left");
                match (member.votes, member.answers) {
                    (false, _) => format!("{name} (learns)"),
                    (true, false) => format!("{name} (does not answer)"),
                    (true, true) => name.to_owned(),
                }
            };
            members.iter().map(member).collect::<Vec<_>>().join(", ")
        },
    );
    facts(&[
        ("Cluster", cluster.id.clone()),
        ("Fingerprint", cluster.fingerprint.clone()),
        ("This node", cluster.node.clone()),
        ("Nodes", cluster.nodes.to_string()),
        ("etcd", members),
        ("Certificate until (UTC)", when(cluster.certificate_expires)),
    ])
}

/// How far a disk is emptied, on one line.
pub fn progress(drain: &DrainInfo) -> String {
    const WIDTH: u64 = 30;
    let total = (drain.moved + drain.left).max(1);
    let done = if drain.left == 0 { total } else { drain.moved };
    let filled = (u128::from(done) * u128::from(WIDTH) / u128::from(total)) as usize;
    let bar = format!("{:<width$}", "#".repeat(filled), width = WIDTH as usize);
    let (moved, left) = (display(drain.moved), display(drain.left));
    let then = match drain.state {
        DrainState::Moving => drain.seconds_left.map(|it| format!("{} left", hours(it))),
        DrainState::WaitingForRoom => Some("waiting for room on other disks".to_owned()),
        DrainState::DiskFailed => Some("waiting for a disk that failed".to_owned()),
        DrainState::Serving => Some("still serving volumes".to_owned()),
        DrainState::Drained => Some("drained".to_owned()),
        DrainState::Unknown => None,
    };
    let then = then.map(|then| format!(", {then}")).unwrap_or_default();
    format!("[{bar}] {moved} moved, {left} to go{then}")
}

fn hours(seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    format!("{}:{:02} h", minutes / 60, minutes % 60)
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
            volume.quota.map_or_else(|| "-".to_owned(), display),
            volume.replicas.to_string(),
            volume
                .node
                .map_or_else(|| "-".to_owned(), |node| node.to_string()),
            volume.owner.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    columns(
        &[
            "VOLUME", "SIZE", "USED", "QUOTA", "REPLICAS", "NODE", "OWNER",
        ],
        &[1, 2, 3, 4, 5],
        rows,
    )
}

/// One volume.
pub fn volume(volume: &VolumeInfo) -> String {
    facts(&[
        ("Volume", volume.name.clone()),
        ("Id", volume.id.clone()),
        ("Size", display(volume.size)),
        (
            "Used",
            match volume.quota {
                Some(quota) => share(volume.used, quota),
                None => display(volume.used),
            },
        ),
        (
            "Quota",
            volume.quota.map_or_else(|| "none".to_owned(), display),
        ),
        ("Damaged", display(volume.damaged * BLOCK_SIZE)),
        ("Lost", display(volume.lost * BLOCK_SIZE)),
        ("Replicas", replicas(volume)),
        (
            "Served by node",
            volume
                .node
                .map_or_else(|| "-".to_owned(), |node| node.to_string()),
        ),
        ("Epoch", volume.epoch.to_string()),
        (
            "Owner",
            volume.owner.clone().unwrap_or_else(|| "nobody".to_owned()),
        ),
        (
            "Grows by itself",
            volume.auto_grow.map_or_else(
                || "no".to_owned(),
                |auto| {
                    let max = display(auto.max_size);
                    format!("up to {max}, to keep {} % free", auto.free_percent)
                },
            ),
        ),
    ])
}

fn replicas(volume: &VolumeInfo) -> String {
    let stale = volume.stale.iter().map(|it| {
        let disk = it.disk.as_deref().unwrap_or("a disk that is not here");
        match it.left {
            Some(left) => format!("{disk} is being resynced, {} to compare", display(left)),
            None => format!("{disk} is stale"),
        }
    });
    let more = if volume.auto_replicas {
        ", as many as there are nodes that are not drained, at most 3"
    } else {
        ""
    };
    let number = format!("{}{more}", volume.replicas);
    let lacking = volume.lacking.filter(|it| *it > 0);
    let lacking = lacking.map(|it| format!("{it} of extents are yet to be made"));
    let facts = std::iter::once(number).chain(lacking).chain(stale);
    facts.collect::<Vec<_>>().join("; ")
}

/// What is damaged or lost of a volume.
pub fn damage(damage: &VolumeDamage) -> String {
    if damage.ranges.is_empty() && !damage.more {
        return "Nothing of it is known to be damaged or lost.".to_owned();
    }
    let row = |range: &DamagedRange| {
        vec![
            range.extent.to_string(),
            range.offset.to_string(),
            range.length.to_string(),
            range.disk.clone().unwrap_or_else(|| "lost".to_owned()),
        ]
    };
    let header = ["EXTENT", "OFFSET", "BYTES", "DISK"];
    let table = columns(&header, &[0, 1, 2], damage.ranges.iter().map(row));
    if damage.more {
        format!("{table}\n\nThere is more, which is not listed.")
    } else {
        table
    }
}

/// The scrub of every disk.
pub fn scrubs(scrubs: &[ScrubInfo]) -> String {
    let time = |seconds: Option<u64>| seconds.map_or_else(|| "-".to_owned(), when);
    let row = |scrub: &ScrubInfo| {
        let (state, total) = match scrub.state {
            ScrubState::Idle => ("idle", scrub.checked),
            ScrubState::Running => ("running", scrub.total),
            ScrubState::Paused => ("paused", scrub.total),
        };
        let left = scrub.seconds_left.map(hours);
        vec![
            scrub.path.display().to_string(),
            state.to_owned(),
            share(scrub.checked, total),
            left.unwrap_or_else(|| "-".to_owned()),
            time(scrub.ended),
            time(scrub.due),
        ]
    };
    let header = [
        "PATH",
        "STATE",
        "CHECKED",
        "LEFT",
        "LAST (UTC)",
        "NEXT (UTC)",
    ];
    columns(&header, &[2, 3], scrubs.iter().map(row))
}

/// Volumes of which something cannot be read, each its name and how many bytes are damaged and lost.
pub fn unreadable<'a>(volumes: impl Iterator<Item = (&'a str, u64, u64)>) -> String {
    let row = |(name, damaged, lost): (&str, u64, u64)| {
        vec![name.to_owned(), display(damaged), display(lost)]
    };
    columns(&["VOLUME", "DAMAGED", "LOST"], &[1, 2], volumes.map(row))
}

/// The metadata store and its copies.
pub fn store(store: &StoreInfo) -> String {
    let facts = facts(&[
        ("Store", store.location.clone()),
        ("Revision", store.revision.to_string()),
        ("Generation", store.generation.to_string()),
        ("Failed copies", store.failures.to_string()),
    ]);
    let row = |copies: &StoreCopies| {
        let copies = copies.copies.iter();
        copies
            .map(|copy| {
                vec![
                    copy.path.display().to_string(),
                    when(copy.made),
                    display(copy.bytes),
                ]
            })
            .collect::<Vec<_>>()
    };
    let rows: Vec<_> = store.disks.iter().flat_map(row).collect();
    if rows.is_empty() {
        return format!(
            "{facts}\n\nNo disk has a copy of it yet: the first is made a minute after the start."
        );
    }
    let table = columns(&["COPY", "MADE (UTC)", "SIZE"], &[2], rows.into_iter());
    format!("{facts}\n\n{table}")
}

/// What a copy of the metadata store lacks, a line for each kind.
pub fn loss(loss: &Loss) -> Vec<String> {
    let Loss {
        generations,
        revisions,
        unrecorded,
        missing,
        volumes,
        absent,
    } = *loss;
    let lines = [
        (
            generations,
            "starts or copies of the store were made after this copy",
        ),
        (
            revisions.unwrap_or(0),
            "revisions of the store in place are not in it",
        ),
        (
            volumes,
            "volumes on the disks are not in it: the next start removes them",
        ),
        (
            unrecorded,
            "extents with data are not in it: the next start removes them",
        ),
        (
            missing,
            "extents that it records are on no disk: they cannot be read",
        ),
        (
            absent,
            "disks that it knows are not here: what they hold was not compared with it, and the next start \
             with them removes what it does not record",
        ),
    ];
    let lines = lines.into_iter().filter(|(count, _)| *count > 0);
    lines
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
}

fn when(made: u64) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]");
    let made = i64::try_from(made).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(made);
    time.ok()
        .and_then(|time| time.format(&form).ok())
        .unwrap_or_default()
}

fn state(disk: &DiskInfo) -> &'static str {
    match disk.state {
        DiskState::Online if disk.drain.is_some_and(|it| it.state == DrainState::Drained) => {
            "drained"
        }
        DiskState::Online if disk.drain.is_some() => "draining",
        DiskState::Online => "online",
        DiskState::Failed => "failed",
        DiskState::Missing => "missing",
        DiskState::Unknown => "unknown",
    }
}

/// What is neither: it belongs to files on the same file systems that are not the pool's.
fn others(capacity: u64, used: u64, free: u64) -> u64 {
    capacity.saturating_sub(used).saturating_sub(free)
}

fn share(used: u64, capacity: u64) -> String {
    let percent = (u128::from(used) * 100)
        .checked_div(u128::from(capacity))
        .unwrap_or(0);
    format!("{} ({percent} %)", display(used))
}

/// Names and what they are, a line for each.
pub fn facts(facts: &[(&str, String)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in facts {
        table.add_row([*name, value]);
    }
    table.trim_fmt()
}

/// Rows under a header; `right` are the columns that hold numbers.
pub fn columns(
    header: &[&str],
    right: &[usize],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
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
