//! volumed is killed while programs write to a file system on its volume.

use hayrack_e2e::guest::Machine;

use crate::guest::Guest;
use crate::rounds;

const EXT4: &str = "/mnt/ext4";
const XFS: &str = "/mnt/xfs";

/// Kills the daemon under a writer, who must go on each time.
fn kill_under_writer(guest: &mut Guest, folder: &str, mut killed: impl FnMut(&mut Guest, u32)) {
    guest.start_writer(folder);
    for round in 0..rounds() {
        guest.wait_for_writes(20);
        guest.signal("KILL", "serve");
        killed(guest, round);
    }
    guest.wait_for_writes(20);
    guest.stop_writer(folder);
}

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn writers_outlive_a_daemon_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create vol --size 1GiB");
    // The host may be paused, for the guest's clock a long time.
    let attach = "volumed volume attach --wait 100000 vol /dev/nbd0";
    guest.run(attach);
    guest.run("mkfs.ext4 -q /dev/nbd0 && mount -t ext4 /dev/nbd0 /mnt/ext4");
    kill_under_writer(&mut guest, EXT4, |guest, round| {
        if round % 2 == 1 {
            // The one that connects the device again is killed, too.
            guest.signal("KILL", "volume attach");
            guest.run(attach);
        }
    });
    guest.run("umount /mnt/ext4 && mount -t ext4 /dev/nbd0 /mnt/ext4");
    guest.verify(EXT4);
    guest.run("umount /mnt/ext4 && e2fsck -fn /dev/nbd0");
    guest.run("volumed volume detach vol");
    a_daemon_that_stays_away(&mut guest);
}

/// The device waits as long as it was told to, then fails.
fn a_daemon_that_stays_away(guest: &mut Guest) {
    guest.run("volumed volume attach --wait 5 vol /dev/nbd1");
    guest.run("touch /tmp/stay-away");
    guest.signal("KILL", "serve");
    let (printed, status) =
        guest.try_run("dd if=/dev/zero of=/dev/nbd1 bs=4096 count=1 oflag=direct");
    assert_ne!(status, 0, "{printed}");
}

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn writers_outlive_a_daemon_that_is_killed_under_qemu_nbd() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create vol --size 1GiB");
    // Under the name that lasts for as long as nothing can be lost (V9).
    let exported = guest.run("volumed volume export --json vol");
    let exported: serde_json::Value = serde_json::from_str(&exported).expect("it is JSON");
    let export = exported["export"].as_str().expect("it has a name");
    guest.run(&format!(
        "qemu-nbd --fork --connect /dev/nbd0 --image-opts 'driver=nbd,server.type=unix,\
         server.path=/data/volumed/nbd.sock,export={export},reconnect-delay=100000'"
    ));
    guest.wait_for("[ $(cat /sys/block/nbd0/size) = 2097152 ]");
    guest.run("mkfs.xfs -q /dev/nbd0 && mount -t xfs /dev/nbd0 /mnt/xfs");
    kill_under_writer(&mut guest, XFS, |_, _| {});
    guest.run("umount /mnt/xfs && mount -t xfs /dev/nbd0 /mnt/xfs");
    guest.verify(XFS);
    guest.run("umount /mnt/xfs && xfs_repair -n /dev/nbd0");
    guest.run("qemu-nbd --disconnect /dev/nbd0 && volumed volume unexport vol");
}

/// nbd-client 3.24 never connects again, whatever `-persist` says. With `-nonetlink` it takes the kernel's word
/// that the connection has ended for an orderly end, and frees the device: writers get an error at once. Without,
/// it has ended long before, and what was sent on the dead connection waits for ever.
#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn writers_get_an_error_from_nbd_client_and_lose_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create vol --size 1GiB");
    let connect =
        "/bin/nbd-client -nonetlink -persist -unix /data/volumed/nbd.sock -N vol -b 4096 /dev/nbd0";
    let attached = "[ \"$(cat /sys/block/nbd0/size)\" = 2097152 ]";
    guest.run(connect);
    guest.wait_for(attached);
    guest.run("mkfs.xfs -q /dev/nbd0 && mount -t xfs /dev/nbd0 /mnt/xfs");
    for _ in 0..rounds() {
        guest.start_writer(XFS);
        guest.wait_for_writes(20);
        guest.signal("KILL", "serve");
        guest.wait_for_failure();
        guest.wait_for("! pidof nbd-client");
        guest.run("umount /mnt/xfs");
        guest.wait_for("volumed pool show");
        guest.run(connect);
        guest.wait_for(attached);
        guest.run("mount -t xfs /dev/nbd0 /mnt/xfs");
        guest.verify(XFS);
    }
    guest.run("umount /mnt/xfs && xfs_repair -n /dev/nbd0");
    guest.run("/bin/nbd-client -d /dev/nbd0");
}
