//! A rack of one node, for tests.

use std::fs;
use std::path::Path;

use crate::durable;
use crate::machine::Machine;
use crate::settings::file;

/// Its settings.
pub const SETTINGS: &str = "rack = \"attic\"\nnetwork = \"10.77.0.0/24\"\nrouter = \"10.77.0.1\"\n\
    [s3d]\ndomain = \"example.org\"\ns3_listen = \"0.0.0.0:443\"\napi_listen = \"0.0.0.0:9001\"\n\
    [[node]]\nname = \"node-1\"\nmac = \"02:00:00:00:00:01\"\naddress = \"10.77.0.11\"\n";

/// The machine that is the node, with its files below a folder.
pub fn machine(folder: &Path) -> Machine {
    let machine = Machine::at(folder);
    durable::replace(&file(&machine), SETTINGS.as_bytes()).unwrap();
    let port = machine.path("/sys/class/net/eth0");
    fs::create_dir_all(port.join("device")).unwrap();
    fs::write(port.join("address"), "02:00:00:00:00:01\n").unwrap();
    machine
}
