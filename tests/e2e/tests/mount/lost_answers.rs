//! Writes whose answers are lost: each is made once, and none is taken for somebody else's.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
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
    let durable = |file: &File| {
        lossy.lose(1);
        file.sync_all().expect("it is durable");
        assert_eq!(lossy.left(), 0, "no answer was lost");
    };

    // Stored whole.
    let mut file = File::create_new(path("small")).expect("a file can be made");
    file.write_all(b"first").expect("it can be written");
    durable(&file);
    file.write_all(b" and second").expect("it can be written");
    durable(&file);
    drop(file);

    // Written into.
    let mut bytes = content(3, 300_000);
    fs::write(path("patched"), &bytes).expect("a file can be written");
    let file = OpenOptions::new().write(true).open(path("patched"));
    let file = file.expect("it can be opened");
    for at in [1000, 150_000, 300_000] {
        file.write_all_at(b"changed", at)
            .expect("it can be written");
        bytes.resize(bytes.len().max(at as usize + 7), 0);
        bytes[at as usize..at as usize + 7].copy_from_slice(b"changed");
        durable(&file);
    }
    drop(file);

    // In parts: the first answer that is lost is the beginning's, the last the completion's.
    let large = content(4, 20_000_000);
    let file = File::create_new(path("large")).expect("a file can be made");
    lossy.lose(1);
    file.write_all_at(&large, 0).expect("it can be written");
    durable(&file);
    drop(file);
    mounted.unmount();

    let (s3, bucket) = (rack.s3(), rack.bucket());
    let stored = |name: &str| s3.get(&format!("{bucket}/{name}")).body;
    assert_eq!(stored("small"), b"first and second");
    assert!(stored("patched") == bytes);
    assert!(stored("large") == large);
    let log = at.log();
    assert!(!log.contains("somebody else"), "{log}");
}
