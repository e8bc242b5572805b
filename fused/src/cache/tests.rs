use std::fs;
use std::os::unix::fs::MetadataExt as _;

use bytes::Bytes;

use super::*;

const LIMIT: u64 = 1 << 30;
const SIZE: u64 = 1_000_000;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn open(path: &Path, limit: u64) -> DiskCache {
    DiskCache::open(path, limit).expect("it can be opened")
}

fn version(key: &str) -> Version {
    Version::of(key, "\"etag\"", SIZE).expect("it is short enough")
}

fn bytes(seed: u64) -> Bytes {
    let bytes = (0..SIZE).map(|at| (at * 7 + at / 251 + seed) as u8);
    bytes.collect::<Vec<_>>().into()
}

/// Keeps some chunks of a version, as a mount that ends then.
fn keep(path: &Path, limit: u64, version: Version, chunks: Range<u64>) {
    let cache = open(path, limit);
    let range = version.bytes(&chunks);
    let bytes = bytes(0).slice(range.start as usize..range.end as usize);
    cache.writer.write(version, chunks.start, bytes);
    cache.close();
}

fn load(path: &Path, version: Version) -> Option<Loaded> {
    open(path, LIMIT).shelf.load(&version, 0..version.chunks())
}

#[test]
fn a_later_mount_has_what_an_earlier_one_kept() {
    let (folder, version) = (folder(), version("a"));
    keep(folder.path(), LIMIT, version, 0..2);
    keep(folder.path(), LIMIT, version, 5..version.chunks());
    let loaded = load(folder.path(), version).expect("something is there");
    let there = [true, true, false, false, false, true, true, true];
    assert_eq!(loaded.good, there);
    for (chunk, _) in (0..).zip(there).filter(|it| it.1) {
        let range = version.bytes(&(chunk..chunk + 1));
        let range = range.start as usize..range.end as usize;
        assert_eq!(loaded.bytes[range.clone()], bytes(0)[range]);
    }
    let other = Version::of("a", "\"other\"", SIZE).expect("it is short enough");
    assert!(load(folder.path(), other).is_none());
}

#[test]
fn what_is_there_is_counted_once() {
    let (folder, version) = (folder(), version("a"));
    let cache = open(folder.path(), LIMIT);
    for _ in 0..3 {
        cache.writer.write(version, 0, bytes(0));
    }
    cache.close();
    let total = cache.shelf.kept.lock().total();
    assert_eq!(total, SIZE + 4096);
    drop(cache);
    let cache = open(folder.path(), LIMIT);
    cache.close();
    assert_eq!(cache.shelf.kept.lock().total(), total);
    let path = cache.shelf.path(&version.name);
    let taken = fs::metadata(path).expect("it is there").blocks() * 512;
    assert!(taken <= total + 4096, "{taken}");
}

#[test]
fn each_byte_that_changes_costs_its_chunk() {
    let (folder, version) = (folder(), version("a"));
    keep(folder.path(), LIMIT, version, 0..version.chunks());
    let path = open(folder.path(), LIMIT).shelf.path(&version.name);
    let whole = fs::read(&path).expect("it can be read");
    for at in [24, 31, 24 + 8 * 7, 4096, 4096 + 700_000, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, damaged).expect("it can be written");
        let loaded = load(folder.path(), version).expect("something is there");
        let lost = loaded.good.iter().filter(|good| !**good).count();
        assert_eq!(lost, 1, "byte {at}");
    }
    for length in [0, 10, 30, 60, 4096, 5000, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("it can be written");
        let loaded = load(folder.path(), version);
        assert!(loaded.is_none_or(|it| it.good.contains(&false)), "{length}");
    }
}

#[test]
fn a_file_whose_head_is_damaged_goes_and_others_stay() {
    let (folder, version) = (folder(), version("a"));
    keep(folder.path(), LIMIT, version, 0..2);
    let path = open(folder.path(), LIMIT).shelf.path(&version.name);
    fs::write(&path, "not what it was").expect("it can be written");
    let other = path.with_file_name("photo.object");
    fs::write(&other, "mine").expect("it can be written");
    open(folder.path(), LIMIT).close();
    assert!(!path.exists() && other.exists());
}

#[test]
fn the_oldest_go_when_there_is_less_room() {
    let folder = folder();
    let versions = ["a", "b", "c"].map(version);
    for version in versions {
        keep(folder.path(), LIMIT, version, 0..version.chunks());
    }
    // It was used last.
    let path = open(folder.path(), LIMIT).shelf.path(&versions[0].name);
    let file = File::open(path).expect("it is there");
    let later = SystemTime::now() + Duration::from_secs(5);
    file.set_modified(later).expect("it can be changed");
    open(folder.path(), 2 * SIZE + 10_000).close();
    let left = versions.map(|version| load(folder.path(), version).is_some());
    assert_eq!(left, [true, false, true]);
}

#[test]
fn two_mounts_have_folders_of_their_own() {
    let folder = folder();
    let (one, other) = (open(folder.path(), LIMIT), open(folder.path(), LIMIT));
    assert_ne!(one.shelf.folder, other.shelf.folder);
    let first = one.shelf.folder.clone();
    one.close();
    drop(one);
    assert_eq!(open(folder.path(), LIMIT).shelf.folder, first);
}
