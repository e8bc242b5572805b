//! What is fuzzed: each target takes any bytes, and must neither panic, nor hang, nor take memory
//! beyond their size by more than a bound, nor give an answer that no input may get.

mod cluster;
mod disk_folder;
mod disk_formats;
mod extents;
mod forms;
mod mounts;
mod nbd;
mod netlink;
mod peer_hello;
mod peer_messages;
mod policies;
mod requests;
mod s3;
mod sign;

/// Something that reads what others wrote.
pub type Target = fn(&[u8]);

/// Every target, by name; each has its inputs in `corpus/NAME`.
pub const TARGETS: &[(&str, Target)] = &[
    ("s3_request", requests::request),
    ("s3_form", forms::form),
    ("bucket_policy", policies::policy),
    ("log_group", s3d_bucket::fuzzing::group),
    ("superblock", s3d_bucket::fuzzing::superblock),
    ("rows", s3d_bucket::fuzzing::rows),
    ("disk_formats", disk_formats::sealed),
    ("disk_identity", disk_folder::identity),
    ("disk_folder", disk_folder::recover),
    ("extents_wire", extents::wire),
    ("mount_journal", mounts::journal),
    ("mount_attributes", mounts::attributes),
    ("mount_names", mounts::file_names),
    ("mount_listing", mounts::listing),
    ("nbd_server", nbd::server),
    ("nbd_client", nbd::client),
    ("peer_hello", peer_hello::hello),
    ("peer_messages", peer_messages::frames),
    ("netlink", netlink::datagram),
    ("join_token", cluster::token),
    ("node_certificate", cluster::certificate),
];

/// The target of a name.
pub fn target(name: &str) -> Option<Target> {
    let found = TARGETS.iter().find(|(own, _)| *own == name);
    found.map(|(_, target)| *target)
}
