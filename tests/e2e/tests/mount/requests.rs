//! How many requests to the server the calls of a program become.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use hayrack_e2e::binaries::free_address;
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;

use crate::operating::{metric, page};
use crate::others::soon;

/// Requests that were sent to the server while something was done.
fn asked(address: SocketAddr, done: impl FnOnce()) -> f64 {
    let so_far = || {
        let page = page(address);
        let results = ["ok", "refused", "failed"];
        let names = results.map(|it| format!("fused_server_requests_total{{result=\"{it}\"}}"));
        names.iter().map(|name| metric(&page, name)).sum::<f64>()
    };
    let before = so_far();
    done();
    so_far() - before
}

fn store(path: &Path, bytes: &[u8]) {
    let mut file = File::create_new(path).expect("a file can be made");
    file.write_all(bytes).expect("it can be written");
    file.sync_all().expect("it can be stored");
}

#[test]
fn a_change_is_one_request() {
    const MANY: usize = 10;
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let address = free_address();
    let mounted = at.mount(&rack, &["--metrics", &address.to_string()]);
    let folder = at.path().join("folder");
    fs::create_dir(&folder).expect("a folder can be made");
    let tries = Cell::new(0);
    soon("it is known what is not there", || {
        tries.set(tries.get() + 1);
        let path = folder.join(format!("try{}", tries.get()));
        asked(address, || store(&path, b"x")) < 1.5
    });

    let name = |number: usize| folder.join(format!("file{number}"));
    let other = |number: usize| folder.join(format!("renamed{number}"));
    let each = |does: &dyn Fn(usize)| asked(address, || (0..MANY).for_each(does)) / MANY as f64;
    let is_one = |what: &str, found: f64| {
        assert!((found - 1.0).abs() < 1e-9, "{what} takes {found} requests");
    };
    is_one("a new file", each(&|it| store(&name(it), &[7; 4096])));
    is_one(
        "another name",
        each(&|it| fs::rename(name(it), other(it)).expect("it can be renamed")),
    );
    is_one(
        "a removal",
        each(&|it| fs::remove_file(other(it)).expect("it can be removed")),
    );
    mounted.unmount();
}
