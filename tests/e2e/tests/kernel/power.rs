//! The power is cut while programs write to a file system on a volume of the same machine.

use std::thread;
use std::time::Duration;

use hayrack_e2e::guest::Machine;
use hayrack_e2e::random::seed;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::guest::Guest;
use crate::rounds;

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn what_was_fsynced_on_a_volume_survives_power_cuts() {
    let mut random = StdRng::seed_from_u64(seed());
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create vol --size 1GiB");
    guest.run("volumed volume attach vol /dev/nbd0");
    guest.run("mkfs.ext4 -q /dev/nbd0 && mount -t ext4 /dev/nbd0 /mnt/ext4");
    for round in 0..rounds() {
        guest.start_writer("/mnt/ext4");
        guest.wait_for_writes(random.random_range(10..60));
        thread::sleep(Duration::from_millis(random.random_range(0..200)));
        guest.cut_power();
        guest = Guest::boot(folder.path());
        // What had it was the kernel of before.
        guest.run("volumed volume attach vol /dev/nbd0");
        guest.run("mount -t ext4 /dev/nbd0 /mnt/ext4");
        guest.verify("/mnt/ext4");
        guest.run("umount /mnt/ext4 && e2fsck -fn /dev/nbd0 && mount -t ext4 /dev/nbd0 /mnt/ext4");
        println!("round {round}: all of {} are there", guest.last_durable());
    }
}
