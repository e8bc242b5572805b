//! The table of settings in `README.md` says what the command line says.

use clap::{Arg, Args as _, Command};

use super::Source;

fn row(setting: &Arg) -> String {
    let environment = setting.get_env().map_or_else(String::new, |name| {
        format!("`{}`", name.to_str().expect("names are ASCII"))
    });
    let help = setting.get_help().expect("every setting is explained");
    let help = help.to_string();
    let (what, default) = help
        .trim_end_matches(']')
        .split_once(" [default: ")
        .unwrap_or((&help, "none"));
    format!(
        "| `{}` | {environment} | {default} | {what} |",
        setting.get_id()
    )
}

#[test]
fn the_readme_lists_every_setting() {
    let readme = include_str!("../../README.md");
    let settings = Source::augment_args(Command::new("serve"));
    let expected: Vec<String> = settings.get_arguments().map(row).collect();
    let listed: Vec<&str> = readme
        .lines()
        .skip_while(|line| *line != "| setting | environment | default | |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(listed, expected, "\n{}\n", expected.join("\n"));
}
