use std::os::unix::fs::MetadataExt as _;

use fused_fs::stage::Stage;
use tempfile::TempDir;

use super::*;

/// What a file has in its journal once it has its first bytes.
fn begin(file: &StageFile, key: &str, bytes: &[u8]) {
    let records = [Record::Key(key.into()), Record::Base(None)];
    file.record(&records).expect("the journal can be written");
    file.write(bytes, 0).expect("bytes can be written");
}

fn inode(file: &StageFile) -> u64 {
    file.pair.bytes.metadata().expect("it is open").ino()
}

fn content(file: &StageFile, length: usize) -> Bytes {
    file.bytes(0, length).expect("bytes can be read")
}

fn folder() -> (TempDir, StagingFolder) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let session = StagingFolder::open(&folder.path().join("bucket"));
    (folder, session.expect("a session can begin"))
}

#[test]
fn what_was_given_up_is_another_files_once_nobody_has_it() {
    let (_folder, session) = folder();
    let first = session.create().expect("a file can be made");
    begin(&first, "first", b"of the first");
    let inode_of_first = inode(&first);
    first.discard();
    let second = session.create().expect("a file can be made");
    assert_ne!(inode(&second), inode_of_first, "somebody has the first");
    first.write(b"more", 12).expect("who has it goes on");
    first.discard();
    assert_eq!(content(&first, 16), "of the firstmore");
    drop(first);
    let third = session.create().expect("a file can be made");
    assert_eq!(inode(&third), inode_of_first);
    begin(&third, "third", b"of the third");
    assert_eq!(content(&third, 12), "of the third");
    third.discard();
    second.discard();
    drop((second, third));
    session.close();
    assert!(!session.path.exists());
}

#[test]
fn what_is_left_behind_is_the_last_file_alone() {
    let (folder, session) = folder();
    for key in ["a", "b", "c"] {
        let file = session.create().expect("a file can be made");
        begin(&file, key, key.repeat(5000).as_bytes());
        if key != "c" {
            file.discard();
        }
    }
    let inodes = fs::read_dir(&session.path).expect("it is there").count();
    // As a crash leaves it.
    drop(session);
    let next = StagingFolder::open(&folder.path().join("bucket")).expect("a session can begin");
    let left = next.left_behind().expect("it can be read");
    assert_eq!((left.len(), inodes), (1, 3), "a pair and the lock");
    let files = left[0].files().expect("they can be read");
    let [(recovered, file)] = files.as_slice() else {
        panic!("one file is left: {files:?}");
    };
    let mut stage = Stage::new(None);
    stage.write(0..5000);
    assert_eq!((recovered.key.as_str(), &recovered.stage), ("c", &stage));
    assert_eq!(content(file, 5000), "c".repeat(5000));
    file.discard();
    left[0].close();
    assert!(!left[0].path.exists());
}

#[test]
fn what_is_long_is_removed() {
    let (_folder, session) = folder();
    for end in [1 << 20, (1 << 20) + 1] {
        let file = session.create().expect("a file can be made");
        begin(&file, "a", b"");
        file.write(b"x", end - 1).expect("bytes can be written");
        let path = file.pair.path.clone();
        file.discard();
        drop(file);
        assert_eq!(path.exists(), end == 1 << 20, "{end}");
        session.spares.take();
    }
}
