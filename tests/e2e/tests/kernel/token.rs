//! V9 in the kernel's hands: a device goes on under its token while nothing can be lost, and is freed with a
//! sentence once something may be, or somebody else has the volume.

use hayrack_e2e::guest::Machine;

use crate::guest::Guest;

/// The host may be paused, for the guest's clock a long time.
const ATTACH: &str = "volumed volume attach --wait 100000 vol /dev/nbd0";

/// Writes a block past the page cache: it is answered, and not flushed. Answers whether it was.
fn write(guest: &mut Guest) -> bool {
    let dd = "dd if=/dev/urandom of=/dev/nbd0 bs=4096 count=1 oflag=direct";
    guest.try_run(dd).1 == 0
}

/// What the kernel keeps of the attachment: `hayrack/VOLUME#TOKEN/OWNER`.
fn backend(guest: &mut Guest) -> String {
    guest.run("cat /sys/block/nbd0/backend")
}

/// Waits until the device serves nothing, for a reason that the kernel's log has.
fn wait_until_freed(guest: &mut Guest, reason: &str) {
    guest.wait_for("[ ! -e /sys/block/nbd0/pid ]");
    guest.run(&format!(
        "dmesg | grep 'volume is lost to the device' | grep '{reason}'"
    ));
    assert!(!write(guest), "it is written to");
}

#[test]
#[ignore = "takes minutes; `make power-cut` runs it"]
fn a_device_has_its_volume_for_as_long_as_its_token_lasts() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    Machine::new_disk(folder.path());
    let mut guest = Guest::boot(folder.path());
    guest.run("volumed volume create vol --size 1GiB");
    guest.run(ATTACH);
    the_token_outlives_the_daemon(&mut guest);
    what_may_be_lost_frees_the_device(&mut guest);
    guest.run(ATTACH);
    who_was_away_finds_another_owner(&mut guest);
}

fn the_token_outlives_the_daemon(guest: &mut Guest) {
    let before = backend(guest);
    assert!(before.starts_with("hayrack/vol#"), "{before}");
    for signal in ["KILL", "TERM"] {
        assert!(write(guest));
        guest.signal(signal, "serve");
        assert!(write(guest), "after {signal}");
    }
    assert_eq!(backend(guest), before);
}

/// The disk's file system is mounted anew, as by a machine that lost its power: what was not flushed may be gone.
fn what_may_be_lost_frees_the_device(guest: &mut Guest) {
    assert!(write(guest));
    guest.run("touch /tmp/stay-away");
    guest.signal("KILL", "serve");
    guest.wait_for("umount /data");
    guest.run("mount -t ext4 /dev/vda /data && rm /tmp/stay-away");
    wait_until_freed(guest, "may be lost");
}

/// Who connects the device again sleeps until the daemon is back and another writer has the export.
fn who_was_away_finds_another_owner(guest: &mut Guest) {
    assert!(write(guest));
    guest.signal("STOP", "volume attach");
    guest.signal("KILL", "serve");
    guest.wait_for("volumed pool show");
    guest.run("volumed volume export --take-over vol");
    guest.signal("CONT", "volume attach");
    wait_until_freed(guest, "does not have the volume vol any more");
}
