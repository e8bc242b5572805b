//! What must not be written anywhere.

use crate::Tree;

/// Places that exist on one machine only. Each is cut in two, so that this file does not offend.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// Clients find their registries by themselves, and mirrors differ from machine to machine.
const REGISTRIES: [&str; 6] = [
    concat!("registry.npm", "js.org"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("py", "pi.org"),
    concat!("files.python", "hosted.org"),
    concat!("proxy.go", "lang.org"),
];

/// Work that is not done, and tests that are not run.
const UNFINISHED: [&str; 3] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
];

/// What looks like tests which are not run.
const NOT_TESTS: [(&str, &str); 19] = [
    (
        "openwrt/tests/router/acme.rs",
        "`make router` runs it: it takes an authority, SSH servers and both daemons",
    ),
    (
        "openwrt/tests/router/whole_rack/long.rs",
        "`make rack-whole` runs it: it takes minutes",
    ),
    (
        "openwrt/tests/router/uci_reading.rs",
        "`make router` runs it: netjsonconfig has to be installed",
    ),
    (
        "os-image/tests/pi/main.rs",
        "`make image-test-arm64` runs it: it needs a whole image",
    ),
    (
        "volumed/meta/src/conformance/mod.rs",
        "its writer is the process that the test kills",
    ),
    (
        "volumed/node/src/tests/cost.rs",
        "they measure, and take minutes",
    ),
    (
        "tests/rack/tests/nodes/strangers.rs",
        "`make rack-soak` runs it: it waits until a node is let in",
    ),
    (
        "rack/mount/tests/printed.rs",
        "`make test-mount` runs it: it takes minutes, and trimesh",
    ),
    (
        "tests/e2e/tests/clients/heavy.rs",
        "`make test-clients` runs them: building the clients takes minutes",
    ),
    (
        "tests/e2e/tests/volume/file_systems.rs",
        "`make test-clients` runs them: they take minutes, and root",
    ),
    (
        "tests/e2e/tests/volume/fio.rs",
        "`make test-clients` runs it: it kills the daemon under seconds of load",
    ),
    (
        "tests/e2e/tests/volume/postgres.rs",
        "`make test-clients` runs it: it takes minutes, and root",
    ),
    (
        "tests/e2e/tests/volume/tester.rs",
        "`make test-clients` runs it: the client has to be built",
    ),
    (
        "tests/rack/tests/nodes/soak.rs",
        "`make rack-soak` runs it: it takes as long as it is told",
    ),
    (
        "tests/e2e/tests/crash/power.rs",
        "`make power-cut` runs it: it needs a virtual machine",
    ),
    (
        "tests/e2e/tests/kernel/grow.rs",
        "`make power-cut` runs it: a virtual machine takes minutes for it",
    ),
    (
        "tests/e2e/tests/kernel/kill.rs",
        "`make power-cut` runs it: a virtual machine takes minutes for it",
    ),
    (
        "tests/e2e/tests/kernel/power.rs",
        "`make power-cut` runs it: a virtual machine takes minutes for it",
    ),
    (
        "tests/e2e/tests/kernel/token.rs",
        "`make power-cut` runs it: a virtual machine takes minutes for it",
    ),
];

/// Every line that holds one of them.
pub fn offences(tree: &Tree) -> Vec<String> {
    let everywhere = MACHINE_PATHS.iter().chain(&REGISTRIES);
    let all: Vec<&str> = everywhere.copied().collect();
    let unfinished = tree
        .rust()
        .filter(|(path, _)| !NOT_TESTS.iter().any(|(helper, _)| helper == path));
    tree.files()
        .flat_map(|(path, text)| matches(path, text, &all))
        .chain(unfinished.flat_map(|(path, text)| matches(path, text, &UNFINISHED)))
        .collect()
}

fn matches(path: &str, text: &str, forbidden: &[&str]) -> Vec<String> {
    let in_line = |line: &str| forbidden.iter().find(|word| line.contains(**word)).copied();
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, in_line(line)?)))
        .map(|(number, word)| format!("{path}:{number} holds {word}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found() {
        for word in MACHINE_PATHS.iter().chain(&REGISTRIES).chain(&UNFINISHED) {
            let text = format!("fine\nx {word}\n");
            let found = offences(&Tree::of(&[("a.rs", &text)]));
            assert_eq!(found, [format!("a.rs:2 holds {word}")]);
        }
    }

    #[test]
    fn code_words_may_be_in_prose() {
        let text = format!("no {} here", UNFINISHED[0]);
        assert_eq!(offences(&Tree::of(&[("README.md", &text)])), [""; 0]);
    }
}
