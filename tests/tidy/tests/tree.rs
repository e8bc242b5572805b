//! The rules, applied to the tree as it is.

use std::path::Path;

use hayrack_tidy::sizes::Exception;
use hayrack_tidy::{Tree, architecture, arrows, pipeline, sizes, strays, text};

/// What may be longer than the rule says, each with its reason.
const LONG: [Exception; 0] = [];

fn tree() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Tree::of_git(&root).expect("the tests run in a clone");
    assert!(tree.rust().count() > 10, "the tree was not found");
    tree
}

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn files_and_functions_are_short() {
    assert_none(&sizes::offences(&tree(), &LONG));
}

#[test]
fn arrows_between_crates_point_the_right_way() {
    assert_none(&arrows::offences(&tree()));
}

#[test]
fn nothing_is_written_that_must_not_be() {
    assert_none(&text::offences(&tree()));
}

#[test]
fn nothing_is_where_it_does_not_belong() {
    assert_none(&strays::offences(&tree()));
}

#[test]
fn each_architecture_names_its_rules() {
    assert_none(&architecture::offences(&tree()));
}

#[test]
fn the_pipeline_runs_what_there_is() {
    assert_none(&pipeline::offences(&tree()));
}
