//! The clients that `tests/e2e/install-clients` installs, and trees of files for them to move.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::rack::Rack;

/// The folder of the e2e tests in the source tree.
pub fn source() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A client that was installed from its own registry, newest version, into `target/e2e-clients`.
///
/// # Panics
/// When it is missing.
pub fn newest(program: &str) -> PathBuf {
    venv("venv", program)
}

/// A program of one of the Python environments in `target/e2e-clients`.
///
/// # Panics
/// When it is missing.
pub fn venv(name: &str, program: &str) -> PathBuf {
    let clients = source().join("../../target/e2e-clients");
    let path = clients.join(name).join("bin").join(program);
    assert!(
        path.exists(),
        "{program} is missing: run tests/e2e/install-clients"
    );
    path
}

/// A program that is a crate, in `target/e2e-clients`.
///
/// # Panics
/// When it is missing.
pub fn cargo(program: &str) -> PathBuf {
    venv("cargo", program)
}

/// A client that is a Debian package.
///
/// # Panics
/// When it is missing.
pub fn debian(program: &str) -> PathBuf {
    let path = Path::new("/usr/bin").join(program);
    assert!(
        path.exists(),
        "{program} is missing: run tests/e2e/install-clients"
    );
    path
}

/// Node.js 20 or newer: the system's, or the one that npm installed.
///
/// # Panics
/// When there is none.
pub fn node() -> PathBuf {
    let candidates = [
        PathBuf::from("node"),
        source().join("../../target/e2e-clients/node/node_modules/node/bin/node"),
    ];
    let found = candidates.into_iter().find(|node| {
        let output = Command::new(node).arg("--version").output();
        output.is_ok_and(|output| {
            let version = String::from_utf8_lossy(&output.stdout).into_owned();
            let major = version
                .trim_start_matches('v')
                .split('.')
                .next()
                .map(str::to_owned);
            major
                .and_then(|major| major.parse::<u32>().ok())
                .is_some_and(|major| major >= 20)
        })
    });
    found.expect("Node.js 20 is missing: run tests/e2e/install-clients")
}

/// A program with the rack's environment and none of the machine's own settings.
pub fn command(rack: &Rack<'_>, program: &Path) -> Command {
    let env = rack.env();
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", rack.site.data())
        .env("LC_ALL", "C.UTF-8")
        .env("AWS_DEFAULT_REGION", &env["AWS_REGION"])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env);
    command
}

/// Runs a client to its end and returns what it printed.
///
/// # Panics
/// When it fails.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed ({}):\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Plants a tree of files: most of them small, names awkward, two beyond every client's threshold
/// for multipart uploads.
///
/// # Panics
/// When the folder cannot be written.
pub fn plant(folder: &Path, files: usize, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    for index in 0..files {
        let size = match index {
            0 => 0,
            1 => 20 << 20,
            2 => (9 << 20) + 1,
            _ => random.random_range(1..16 << 10),
        };
        let name = match index % 7 {
            0 => format!("plain-{index}.txt"),
            1 => format!("with space {index}"),
            2 => format!("plus+and%percent&{index}"),
            3 => format!("heuhaufen-ä-干し草-{index}"),
            4 => format!("quote'\"{index}"),
            5 => format!("=equal?question#{index}"),
            _ => format!("deep/er/and/deeper/{index}"),
        };
        let path = folder.join(format!("folder-{}", index % 20)).join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder can be made");
        let mut bytes = vec![0; size];
        random.fill(&mut bytes[..]);
        fs::write(path, bytes).expect("a file can be written");
    }
}

/// Every file below a folder, by relative path.
///
/// # Panics
/// When it cannot be read.
pub fn harvest(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is below").to_owned();
                files.insert(name, fs::read(path).expect("the file can be read"));
            }
        }
    }
    files
}

/// # Panics
/// When the two trees differ, naming the first difference.
pub fn assert_same(planted: &Path, fetched: &Path) {
    let (planted, fetched) = (harvest(planted), harvest(fetched));
    for (name, bytes) in &planted {
        let same = fetched.get(name).is_some_and(|fetched| fetched == bytes);
        assert!(same, "{} came back different or not at all", name.display());
    }
    assert_eq!(
        planted.len(),
        fetched.len(),
        "more came back than was stored"
    );
}
