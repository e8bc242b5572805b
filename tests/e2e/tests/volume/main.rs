//! A volume under programs that people already run on block devices. README.md says what was done
//! with which; what takes minutes, or root, is run by `make test-clients`.

mod file_systems;
mod fio;
mod libnbd;
mod mounted;
mod postgres;
mod qemu;
mod tester;

use std::fs;
use std::path::{Path, PathBuf};

use hayrack_e2e::random::content;
use hayrack_e2e::volumed::Volumed;

const MIB: usize = 1 << 20;

/// A file of this size beside the daemon's: data, a hole in its middle half, data.
fn sparse_file(volumed: &Volumed, name: &str, tag: u64, length: usize) -> PathBuf {
    let path = volumed.path(name);
    let quarter = content(tag, length / 4);
    let mut bytes = vec![0; length];
    bytes[..quarter.len()].copy_from_slice(&quarter);
    bytes[length - quarter.len()..].copy_from_slice(&quarter);
    fs::write(&path, bytes).expect("a file can be written");
    path
}

fn same_bytes(a: &Path, b: &Path) -> bool {
    fs::read(a).expect("it can be read") == fs::read(b).expect("it can be read")
}
