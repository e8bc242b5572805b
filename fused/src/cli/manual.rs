//! Manual pages and shell completions, made from the command line's own description.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap_complete::Shell;

/// Prints the page of the program, or of one of its commands.
pub fn page(mut program: clap::Command, command: Option<&str>) -> anyhow::Result<()> {
    program = program.disable_help_subcommand(true);
    program.build();
    let described = match command {
        None => program.clone(),
        Some(name) => program
            .find_subcommand(name)
            .with_context(|| format!("there is no command {name:?}; --help lists them all"))?
            .clone(),
    };
    let title = command.map_or_else(|| "fused".to_owned(), |name| format!("fused-{name}"));
    let mut page = Vec::new();
    clap_mangen::Man::new(described)
        .title(title)
        .render(&mut page)?;
    Ok(io::stdout().write_all(&page)?)
}

/// Prints the script of a shell.
pub fn completions(mut program: clap::Command, shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, "fused", &mut script);
    Ok(io::stdout().write_all(&script)?)
}
