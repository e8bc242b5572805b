//! `system` and `dropbear`: the router's name and clock, and who may log in.

use rack_model::Rack;

use crate::file::{File, Mode};
use crate::uci::{Config, Section};

const TIME_SERVERS: [&str; 4] = [
    "0.openwrt.pool.ntp.org",
    "1.openwrt.pool.ntp.org",
    "2.openwrt.pool.ntp.org",
    "3.openwrt.pool.ntp.org",
];

pub fn config(rack: &Rack) -> Config {
    Config::default()
        .with(
            Section::new("system")
                .option("hostname", format!("{}-router", rack.name))
                .option("timezone", "UTC")
                .option("log_size", 256),
        )
        .with(
            Section::named("timeserver", "ntp")
                .flag("enabled", true)
                .flag("enable_server", true)
                .list("server", TIME_SERVERS),
        )
}

/// Keys only, and only from inside.
pub fn ssh() -> Config {
    Config::default().with(
        Section::new("dropbear")
            .flag("PasswordAuth", false)
            .flag("RootPasswordAuth", false)
            .option("Port", 22)
            .option("Interface", "lan"),
    )
}

pub fn authorized_keys(rack: &Rack) -> File {
    let lines = rack
        .operators
        .iter()
        .map(|operator| format!("{}\n", operator.ssh));
    File::new(
        "etc/dropbear/authorized_keys",
        Mode::Secret,
        lines.collect::<String>(),
    )
}
