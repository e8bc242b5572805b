//! Writes whose answers are lost: each is made once, and none is taken for somebody else's.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use hayrack_e2e::lossy::Lossy;
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::content;

#[test]
fn a_write_whose_answer_is_lost_is_made_once() {
    let site = Site::new();
    let rack = site.start();
    let endpoint = rack.var("AWS_ENDPOINT_URL");
    let lossy = Lossy::before(endpoint.trim_start_matches("http://"));
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &["--endpoint", &lossy.endpoint()]);
    let path = |name: &str| at.path().join(name);
    // Said before it is written: a file that is open here is flushed, too, whenever a test beside this one
    // starts a program, which closes it.
    let change = |file: &File, bytes: &[u8], at: u64| {
        lossy.lose(1);
        file.write_all_at(bytes, at).expect("it can be written");
        file.sync_all().expect("it is durable");
        assert_eq!(lossy.left(), 0, "no answer was lost");
    };

    // Stored whole.
    let file = File::create_new(path("small")).expect("a file can be made");
    change(&file, b"first", 0);
    change(&file, b" and second", 5);
    drop(file);

    // Written into.
    let mut bytes = content(3, 300_000);
    fs::write(path("patched"), &bytes).expect("a file can be written");
    let file = OpenOptions::new().write(true).open(path("patched"));
    let file = file.expect("it can be opened");
    for at in [1000, 150_000, 300_000] {
        change(&file, b"changed", at);
        bytes.resize(bytes.len().max(at as usize + 7), 0);
        bytes[at as usize..at as usize + 7].copy_from_slice(b"changed");
    }
    drop(file);

    // In parts: the first answer that is lost is the beginning's, the last the completion's, if that
    // did not come before.
    let large = content(4, 20_000_000);
    let file = File::create_new(path("large")).expect("a file can be made");
    lossy.lose(1);
    file.write_all_at(&large, 0).expect("it can be written");
    lossy.lose(1);
    file.sync_all().expect("it is durable");
    drop(file);
    lossy.lose(0);
    mounted.unmount();

    let (s3, bucket) = (rack.s3(), rack.bucket());
    let stored = |name: &str| s3.get(&format!("{bucket}/{name}")).body;
    assert_eq!(stored("small"), b"first and second");
    assert!(stored("patched") == bytes);
    assert!(stored("large") == large);
    let log = at.log();
    assert!(!log.contains("somebody else"), "{log}");
}
