//! The session in `README.md`, on a daemon that runs.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::path::Path;
use std::process::Command;

use daemon::Daemon;

/// A command of the session, and what the page says it prints.
struct Step<'p> {
    command: &'p str,
    printed: String,
}

/// The blocks marked as `console`: commands after `$ `, each with its output below it.
fn session(page: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let blocks = page.split("```console\n").skip(1);
    for line in blocks.flat_map(|block| block.split("```").next().unwrap().lines()) {
        if let Some(command) = line.strip_prefix("$ ") {
            let printed = String::new();
            steps.push(Step { command, printed });
        } else {
            let printed = &mut steps.last_mut().unwrap().printed;
            printed.push_str(line);
            printed.push('\n');
        }
    }
    steps
}

/// The daemon's disks are in `folder` instead of `/srv`.
fn run(command: &str, folder: &Path, daemon: &Daemon) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_volumed")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("exec 2>&1; {}", in_folder(command, folder)))
        .current_dir(daemon.folder())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("VOLUMED_ADMIN", daemon.admin_socket())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn in_folder(text: &str, folder: &Path) -> String {
    text.replace("/srv/", &format!("{}/", folder.display()))
}

/// Without what differs from run to run: where things are, ids, times, and how wide columns are.
fn essence(text: &str, folder: &Path) -> String {
    let text = text.replace(&*folder.to_string_lossy(), "/srv");
    let words = text.split_whitespace().map(|word| {
        let hex = |word: &str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let date = |word: &str| word.len() == 10 && word.matches('-').count() == 2;
        let time = |word: &str| word.len() == 5 && word.as_bytes()[2] == b':';
        match word {
            word if hex(word) => "ID",
            word if date(word) => "DATE",
            word if time(word) => "TIME",
            word => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_session_prints_what_the_readme_says() {
    let page = include_str!("../README.md");
    let folder = tempfile::tempdir().unwrap();
    let config = page.split("```toml\n").nth(1).unwrap();
    let config = config.split("```").next().unwrap();
    let daemon = Daemon::start_with(&in_folder(config, folder.path()));
    let steps = session(page);
    assert!(steps.len() > 15, "{}", steps.len());
    for step in steps {
        let printed = run(step.command, folder.path(), &daemon);
        assert_eq!(
            essence(&printed, folder.path()),
            essence(&step.printed, folder.path()),
            "$ {}\n{printed}",
            step.command
        );
    }
}
