//! The machine's network ports.

use std::fs;

use crate::machine::{Machine, read_line};
use crate::settings::Mac;

/// The MACs of the ports, of those with a device: not loopback, bridges, tunnels.
pub fn macs(machine: &Machine) -> Vec<Mac> {
    let entries = fs::read_dir(machine.path("/sys/class/net"));
    let entries = entries.into_iter().flatten().flatten();
    let mut macs: Vec<Mac> = entries
        .map(|entry| entry.path())
        .filter(|port| port.join("device").exists())
        .filter_map(|port| read_line(&port.join("address"))?.parse().ok())
        .collect();
    macs.sort_by_key(|mac| mac.0);
    macs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_with_a_device_count() {
        let folder = tempfile::tempdir().unwrap();
        for (port, mac, device) in [
            ("lo", "00:00:00:00:00:00", false),
            ("eth1", "02:00:00:00:00:02", true),
            ("eth0", "02:00:00:00:00:01", true),
            ("wg0", "", true),
        ] {
            let path = folder.path().join("sys/class/net").join(port);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("address"), format!("{mac}\n")).unwrap();
            if device {
                fs::create_dir(path.join("device")).unwrap();
            }
        }
        let macs = macs(&Machine::at(folder.path()));
        assert_eq!(macs, [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])]);
        assert!(super::macs(&Machine::at("/no/such/folder")).is_empty());
    }
}
