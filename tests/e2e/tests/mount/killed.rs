//! Daemons that are killed with -9 under programs that use the mount: the programs see a pause.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hayrack_e2e::clients::{cargo, source};
use hayrack_e2e::mounted::MountPoint;
use hayrack_e2e::rack::{Rack, Site, kill_process};
use hayrack_e2e::random::{content, seed};
use nix::sys::signal::Signal;

use crate::tree::all;

/// Pauses between two kills, in milliseconds.
const PAUSES: [u64; 4] = [700, 2500, 3100, 2800];

/// Kills the daemons in turn until the programs have ended; answers how often.
fn kill_until(ended: &AtomicBool, rack: &Rack<'_>) -> usize {
    let victims = ["s3d", "volumed"].into_iter().cycle();
    for (kills, (victim, pause)) in victims.zip(PAUSES.into_iter().cycle()).enumerate() {
        thread::sleep(Duration::from_millis(pause));
        if ended.load(Ordering::Relaxed) {
            return kills;
        }
        kill_process(rack.pid(victim), Signal::SIGKILL);
    }
    unreachable!("the victims do not end")
}

/// Says that the programs have ended, however they do.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it can be run");
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {printed}");
}

fn many_files(root: &Path) {
    for folder in 0..10_u64 {
        let folder_path = root.join(format!("folder-{folder}"));
        fs::create_dir_all(&folder_path).expect("a folder can be made");
        for file in 0..30 {
            let bytes = content(folder * 100 + file, 2000 + file as usize * 500);
            fs::write(folder_path.join(format!("{file}")), bytes).expect("a file can be written");
        }
    }
    fs::write(root.join("large"), content(7, 30_000_000)).expect("a file can be written");
}

#[test]
fn programs_do_not_notice_that_daemons_are_killed() {
    let site = Site::new();
    let rack = site.start();
    let at = MountPoint::new();
    let mounted = at.mount(&rack, &[]);
    let local = tempfile::tempdir().expect("a temporary folder can be made");
    many_files(local.path());
    let (ended, copied) = (AtomicBool::new(false), at.path().join("copied"));
    let kills = thread::scope(|scope| {
        let programs = scope.spawn(|| {
            let _end = Ending(&ended);
            succeeds(Command::new("cp").arg("-a").arg(local.path()).arg(&copied));
            succeeds(
                Command::new(cargo("fsx"))
                    .arg("-f")
                    .arg(source().join("mount/fsx.toml"))
                    .args(["-N", "6000", "-S", &seed().to_string()])
                    .arg(at.path().join("file")),
            );
            succeeds(Command::new("mv").arg(&copied).arg(at.path().join("moved")));
        });
        let kills = kill_until(&ended, &rack);
        programs.join().expect("they succeed");
        kills
    });
    assert!(kills >= 2, "they ended before anything was killed");
    assert!(all(&at.path().join("moved")) == all(local.path()));
    mounted.unmount();
    // It was not the staging folder that they saw.
    let mounted = at.mount(&rack, &["--read-only"]);
    assert!(all(&at.path().join("moved")) == all(local.path()));
    mounted.unmount();
}
