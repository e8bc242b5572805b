//! Programs that take minutes to build: `make test-clients` builds and runs them.

use std::path::PathBuf;
use std::process::Command;

use hayrack_e2e::clients::{command, run, source};
use hayrack_e2e::http::{Request, exchange};

use crate::{Trees, with_rack};

fn installed(program: &str) -> PathBuf {
    source().join("../../target/e2e-clients/bin").join(program)
}

#[test]
#[ignore = "make test-clients"]
fn the_sdk_for_go() {
    with_rack(|rack| println!("{}", run(&mut command(rack, &installed("go-sdk")))));
}

#[test]
#[ignore = "make test-clients"]
fn the_sdk_for_rust() {
    with_rack(|rack| println!("{}", run(&mut command(rack, &installed("rust-sdk")))));
}

#[test]
#[ignore = "make test-clients"]
fn the_sdk_for_java() {
    with_rack(|rack| {
        let classes = installed("java-sdk");
        let path = format!(
            "{}/*:{}",
            classes.join("lib").display(),
            classes.join("classes").display()
        );
        let mut java = command(rack, &PathBuf::from("java"));
        println!("{}", run(java.args(["-cp", &path, "Main"])));
    });
}

#[test]
#[ignore = "make test-clients"]
fn mc_mirrors_a_tree() {
    with_rack(|rack| {
        let trees = Trees::plant(41);
        let (up, down) = (
            trees.up().display().to_string(),
            trees.down().display().to_string(),
        );
        let host = format!(
            "http://{}:{}@{}",
            rack.var("AWS_ACCESS_KEY_ID"),
            // mc takes it as it is, whatever it would mean in a URL.
            rack.var("AWS_SECRET_ACCESS_KEY"),
            rack.site.s3
        );
        let mc = |words: &[&str]| {
            let mut mc: Command = command(rack, &installed("mc"));
            run(mc.env("MC_HOST_hay", &host).args(["--quiet"]).args(words))
        };
        mc(&["mb", "hay/mirror"]);
        mc(&["mirror", &up, "hay/mirror/tree"]);
        mc(&[
            "cp",
            "--recursive",
            "hay/mirror/tree/",
            "hay/mirror/copied/",
        ]);
        mc(&[
            "mv",
            "--recursive",
            "hay/mirror/copied/",
            "hay/mirror/moved/",
        ]);
        mc(&["mirror", "hay/mirror/moved", &down]);
        trees.assert_same();
        assert_eq!(mc(&["diff", &up, "hay/mirror/tree"]).trim(), "");
        let status = || {
            let host = rack.site.s3.to_string();
            let get = Request::new("GET", "/mirror/shown/page").header("host", host);
            exchange(rack.site.s3, &get).expect("an answer").status
        };
        let page = trees.up().join("page");
        std::fs::write(&page, "a page").expect("it can be written");
        mc(&["cp", &page.display().to_string(), "hay/mirror/shown/page"]);
        assert_eq!(status(), 403);
        mc(&["anonymous", "set", "download", "hay/mirror/shown"]);
        assert_eq!(status(), 200);
        let shown = mc(&["anonymous", "get", "hay/mirror/shown"]);
        assert!(shown.contains("download"), "{shown}");
        mc(&["anonymous", "set", "private", "hay/mirror/shown"]);
        assert_eq!(status(), 403);
        mc(&["rb", "--force", "hay/mirror"]);
    });
}
