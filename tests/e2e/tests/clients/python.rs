//! boto3, newest and Debian's: every operation that an application uses.

use std::path::Path;

use hayrack_e2e::clients::{newest, run};

use crate::{script, with_rack};

fn use_operations(python: &Path) {
    with_rack(|rack| {
        println!("{}", run(&mut script(rack, python, "python/operations.py")));
    });
}

#[test]
fn the_newest_boto3() {
    use_operations(&newest("python3"));
}

#[test]
fn debians_boto3() {
    use_operations(Path::new("/usr/bin/python3"));
}
