//! Manual pages and shell completions, made from the command line's own description.

use clap::Command;
use clap_complete::Shell;

/// Why there is no such page.
#[derive(Debug, thiserror::Error)]
pub enum ManualError {
    /// The command does not exist.
    #[error("there is no command {0:?}; --help lists them all")]
    NoSuchCommand(String),
    /// The page cannot be rendered.
    #[error("cannot write the page: {0}")]
    Render(#[from] std::io::Error),
}

/// The manual page (roff) of the program, or of one of its commands: its words with spaces between.
pub fn manual_page(mut program: Command, command: Option<&str>) -> Result<Vec<u8>, ManualError> {
    program = program.disable_help_subcommand(true);
    program.build();
    let mut title = program.get_name().to_owned();
    let mut described = &program;
    for word in command.unwrap_or_default().split_whitespace() {
        let below = described.find_subcommand(word);
        described = below
            .ok_or_else(|| ManualError::NoSuchCommand(command.unwrap_or_default().to_owned()))?;
        title = format!("{title}-{word}");
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(described.clone())
        .title(title)
        .render(&mut page)?;
    Ok(page)
}

/// The completion script of a shell.
pub fn completions(mut program: Command, shell: Shell) -> Vec<u8> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn program() -> Command {
        let create = Command::new("create").about("Create one");
        Command::new("prog").subcommand(Command::new("volume").subcommand(create))
    }

    #[test]
    fn each_command_has_a_page() {
        let page = |command| String::from_utf8(manual_page(program(), command).unwrap()).unwrap();
        assert!(page(None).contains(".TH prog 1"));
        let create = page(Some("volume create"));
        assert!(create.contains(".TH prog-volume-create 1"), "{create}");
        assert!(create.contains("Create one"), "{create}");
        let refusal = manual_page(program(), Some("volume destroy")).unwrap_err();
        assert!(
            refusal.to_string().contains("\"volume destroy\""),
            "{refusal}"
        );
    }

    #[test]
    fn every_shell_has_a_script_that_names_the_commands() {
        for shell in Shell::value_variants() {
            let script = completions(program(), *shell);
            assert!(
                String::from_utf8_lossy(&script).contains("create"),
                "{shell}"
            );
        }
    }
}
