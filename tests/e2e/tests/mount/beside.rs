//! Several programs and threads that use one mount at one time.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command};
use std::thread;

use hayrack_e2e::clients::source;
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::Site;
use hayrack_e2e::random::seed;

use crate::opener::Opener;
use crate::side_by_side::{compare_all, run_both};

#[test]
fn threads_in_folders_of_their_own_see_what_they_would_on_a_local_file_system() {
    const THREADS: u64 = 4;
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let local = tempfile::tempdir().expect("a temporary folder can be made");
    let mounted = at.mount(&rack, &[]);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let folders = [at.path(), local.path().to_owned()];
            scope.spawn(move || {
                let [ours, theirs] = folders.map(|it| it.join(format!("{number}")));
                for folder in [&ours, &theirs] {
                    fs::create_dir(folder).expect("a folder can be made");
                }
                run_both(&ours, &theirs, seed() + number, 300);
            });
        }
    });
    compare_all(&at.path(), local.path());
    mounted.unmount();
    let mounted = at.mount(&rack, &["--read-only"]);
    compare_all(&at.path(), local.path());
    mounted.unmount();
}

fn succeed(programs: Vec<Child>) {
    for mut program in programs {
        assert!(program.wait().expect("it ends").success());
    }
}

#[test]
fn a_lock_of_one_program_keeps_the_others_out() {
    const PROGRAMS: usize = 4;
    const TIMES: usize = 50;
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = at.path().join("number");
    let start = || {
        let mut program = Command::new("python3");
        let script = source().join("python/counter.py");
        program.arg(script).arg(&path).arg(TIMES.to_string());
        program.spawn().expect("Python can be run")
    };
    succeed((0..PROGRAMS).map(|_| start()).collect());
    let counted = fs::read_to_string(&path).expect("it can be read");
    assert_eq!(counted, (PROGRAMS * TIMES).to_string());
    mounted.unmount();
    let stored = rack.s3().get(&format!("{}/number", rack.bucket()));
    assert_eq!(stored.text(), counted);
}

#[test]
fn those_who_append_to_one_file_overwrite_nothing() {
    const LINES: usize = 50;
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let path = at.path().join("log");
    let names = ["a", "bb", "ccc"];
    thread::scope(|scope| {
        for name in names {
            let path = &path;
            scope.spawn(move || {
                let mut opener = Opener::open(path, &["O_CREAT", "O_APPEND"]);
                for number in 0..LINES {
                    assert_eq!(opener.does(&format!("write {name}{number};")), "done");
                    if number % 10 == 0 {
                        assert_eq!(opener.does("sync"), "done");
                    }
                }
                opener.close();
            });
        }
    });
    mounted.unmount();
    let stored = rack.s3().get(&format!("{}/log", rack.bucket())).text();
    let lines: Vec<_> = stored.split_terminator(';').collect();
    assert_eq!(lines.len(), names.len() * LINES, "{stored}");
    let expected = names
        .iter()
        .flat_map(|name| (0..LINES).map(move |it| format!("{name}{it}")));
    let found: BTreeSet<_> = lines.into_iter().map(str::to_owned).collect();
    assert_eq!(found, expected.collect());
}
