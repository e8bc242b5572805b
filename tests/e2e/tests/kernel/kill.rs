//! volumed is killed while programs write to a file system on its volume.

use hayrack_e2e::guest::Machine;

use crate::guest::Guest;
use crate::rounds;

/// Kills what runs as `volumed WORD…`, at once.
fn kill(guest: &mut Guest, word: &str) {
    guest.run(&format!(
        "for pid in $(pidof volumed); do \
         if tr '\\0' ' ' </proc/$pid/cmdline | grep -q 'volumed {word} '; then kill -9 $pid; echo killed $pid; fi; done"
    ));
}

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn writers_outlive_a_daemon_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create vol --size 1GiB");
    let attach = "volumed volume attach vol /dev/nbd0";
    guest.run(attach);
    guest.run("mkfs.ext4 -q /dev/nbd0 && mount -t ext4 /dev/nbd0 /mnt/ext4");
    guest.start_writer("/mnt/ext4");
    for round in 0..rounds() {
        guest.wait_for_writes(20);
        kill(&mut guest, "serve");
        if round % 2 == 1 {
            // The one that connects the device again is killed, too.
            kill(&mut guest, "volume attach");
            guest.run(attach);
        }
    }
    guest.wait_for_writes(20);
    guest.stop_writer("/mnt/ext4");
    guest.run("umount /mnt/ext4 && mount -t ext4 /dev/nbd0 /mnt/ext4");
    guest.verify("/mnt/ext4");
    guest.run("umount /mnt/ext4 && e2fsck -fn /dev/nbd0");
    guest.run("volumed volume detach vol");
}
