//! Power cuts. Killing a process loses nothing that it wrote to the page cache; killing a machine
//! loses all that was not synced, of objects and of files on a volume of the same machine.

use std::time::Instant;

use hayrack_e2e::guest::Machine;
use hayrack_e2e::random::seed;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::guest::Guest;
use crate::round::Load;
use crate::rounds;

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn nothing_acknowledged_is_lost_when_the_power_is_cut() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let folder = folder.path();
    let mut random = StdRng::seed_from_u64(seed());
    Machine::new_disk(folder);
    let mut guest = Guest::boot(folder);
    guest.verify_files();
    let mut s3 = guest.s3();
    let mut load = Load::new(&s3, &guest.bucket());
    for round in 0..rounds(5) {
        guest.wait_for_files(10);
        let changes = load.run(&s3, &mut random, || guest.cut_power());
        let (cut, files) = (Instant::now(), guest.durable());
        guest = Guest::boot(folder);
        // Each boot listens elsewhere.
        s3 = guest.s3();
        let back = load.time_until_back(&s3, cut, || guest.console());
        println!(
            "round {round}: cut the power after {changes} changes; booted and back in {} ms",
            back.as_millis()
        );
        load.verify(&s3);
        guest.verify_files();
        println!("round {round}: all of {files} files are there");
    }
}
