//! kill -9.

use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::rack::{Site, kill_process, runs};
use hayrack_e2e::random::seed;
use nix::sys::signal::Signal;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::round::Load;
use crate::rounds;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_deleted_comes_back() {
    let mut random = StdRng::seed_from_u64(seed());
    let site = Site::new();
    let mut rack = site.start();
    let s3 = rack.s3();
    let mut load = Load::new(&s3, &rack.bucket());
    for round in 0..rounds(6) {
        let victims: &[&str] =
            [&["volumed"][..], &["s3d"], &["volumed", "s3d"]][round as usize % 3];
        let both = victims.len() == 2;
        let pids: Vec<u32> = victims.iter().map(|victim| rack.pid(victim)).collect();
        let mut killed = Instant::now();
        let changes = load.run(&s3, &mut random, || {
            killed = Instant::now();
            for pid in &pids {
                kill_process(*pid, Signal::SIGKILL);
            }
            if both {
                // One that waits for the disk may die so late that the other was started again.
                rack.started.signal(Signal::SIGKILL);
            }
        });
        if both {
            assert!(!rack.started.wait().success());
            drop(rack);
            wait_for_end(&pids);
            // From the start of the processes: how soon the test starts them does not count.
            killed = Instant::now();
            rack = site.start();
        }
        let back = load.time_until_back(&s3, killed, || site.log());
        println!(
            "round {round}: killed {} after {changes} changes; back in {} ms",
            victims.join(" and "),
            back.as_millis()
        );
        load.verify(&s3);
    }
    assert!(rack.stop().success());
}

fn wait_for_end(pids: &[u32]) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(Instant::now() < deadline, "a killed daemon still runs");
        thread::sleep(Duration::from_millis(5));
    }
}
