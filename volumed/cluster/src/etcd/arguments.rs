//! How etcd is started.

use std::path::Path;

use crate::cluster::{Cluster, EtcdFiles};
use crate::etcd::members::url;
use crate::folder::Own;

/// What a member begins with, if it has no data yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// A cluster of this member alone.
    Alone,
    /// One that has members already; each with its name and the URL where it speaks to the others, this one too.
    Beside(Vec<(String, String)>),
    /// It has data, and goes on with that alone: the other members are lost.
    WithoutOthers,
}

/// Bytes that etcd's data may take before it refuses writes. A petabyte of volumes costs it 0.2 GB; beyond 2 GiB its
/// start and its snapshots would take too long on a small computer.
const QUOTA: u64 = 2 << 30;

/// The arguments of etcd on this node, whose data is in `data`.
pub fn arguments(cluster: &Cluster, data: &Path, beginning: &Beginning) -> Vec<String> {
    let own = cluster.own();
    let place = &own.place;
    let peer = url(place.etcd_peer());
    let client = url(place.etcd_client());
    let mut arguments = vec![
        format!("--name={}", own.node),
        format!("--data-dir={}", data.display()),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        // Keeps members of two clusters apart, should one get another's address.
        format!("--initial-cluster-token={}", own.cluster),
        format!("--quota-backend-bytes={QUOTA}"),
    ];
    arguments.extend(FOR_SMALL_COMPUTERS.iter().map(|&text| text.to_owned()));
    arguments.extend(start(own, beginning));
    if *beginning == Beginning::WithoutOthers {
        arguments.push("--force-new-cluster".to_owned());
    }
    arguments.extend(tls(&cluster.etcd_files()));
    arguments
}

/// A member whose data differs from the others' does not start. It waits up to 7 s for each of those that does not
/// answer: members that are all started at once would wait for each other.
pub const COMPARED_WITH_OTHERS: &str = "--experimental-initial-corrupt-check=true";

const FOR_SMALL_COMPUTERS: [&str; 8] = [
    // What was overwritten is kept for ten minutes: whoever watches and falls behind by more reads anew.
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=10m",
    // etcd keeps every transaction since its last snapshot in memory: of 100,000 a computer with 1 GiB runs out.
    "--snapshot-count=10000",
    // Older ones serve nobody: what is restored comes from copies of the store.
    "--max-snapshots=2",
    "--max-wals=2",
    // A member that was cut off comes back without a new election.
    "--pre-vote=true",
    // One JSON object a line.
    "--logger=zap",
    "--log-outputs=stderr",
];

fn start(own: &Own, beginning: &Beginning) -> [String; 2] {
    let this = vec![(own.node.to_string(), url(own.place.etcd_peer()))];
    let (members, state) = match beginning {
        Beginning::Alone => (&this, "new"),
        Beginning::WithoutOthers => (&this, "existing"),
        Beginning::Beside(members) => (members, "existing"),
    };
    let members = members.iter();
    let members: Vec<_> = members.map(|(name, url)| format!("{name}={url}")).collect();
    [
        format!("--initial-cluster={}", members.join(",")),
        format!("--initial-cluster-state={state}"),
    ]
}

fn tls(files: &EtcdFiles) -> Vec<String> {
    let mut arguments = Vec::new();
    for side in ["", "peer-"] {
        let mut file = |flag: &str, path: &Path| {
            arguments.push(format!("--{side}{flag}={}", path.display()));
        };
        file("cert-file", &files.certificate);
        file("key-file", &files.key);
        file("trusted-ca-file", &files.authorities);
        let revoked = if side.is_empty() {
            "client-crl-file"
        } else {
            "crl-file"
        };
        file(revoked, &files.removed);
        arguments.push(format!("--{side}client-cert-auth=true"));
    }
    arguments
}
