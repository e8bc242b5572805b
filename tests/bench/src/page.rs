//! The page of results. Each comparison writes its own section and keeps the others'.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

const TITLE: &str = "# Hayrack beside its peer";
const MOUNTS: &str = "## The mount beside other mounts";
const VOLUMES: &str = "## The volume beside a file";
const RACK: &str = "## Three nodes";

/// A part of the page, in its order.
#[derive(Clone, Copy, PartialEq)]
pub enum Section {
    /// What `compare` measured; it comes first, under the title.
    Servers,
    /// What `mounts` measured.
    Mounts,
    /// What `volumes` measured.
    Volumes,
    /// What `rack` measured.
    Rack,
}

impl Section {
    const ALL: [Self; 4] = [Self::Servers, Self::Mounts, Self::Volumes, Self::Rack];

    fn title(self) -> &'static str {
        match self {
            Self::Servers => TITLE,
            Self::Mounts => MOUNTS,
            Self::Volumes => VOLUMES,
            Self::Rack => RACK,
        }
    }
}

/// Puts a section into `RESULTS.md` of a folder.
pub fn write(folder: &Path, section: Section, text: &str) -> anyhow::Result<()> {
    let path = folder.join("RESULTS.md");
    let before = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("could not read {}", path.display()))?,
    };
    write_file(&path, &with_section(&before, section, text))
}

/// Writes a file of the results.
pub fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

fn with_section(page: &str, section: Section, text: &str) -> String {
    let sections = Section::ALL.map(|it| {
        let text = if it == section { text } else { of(page, it) };
        (it.title(), text.trim())
    });
    let sections = sections
        .into_iter()
        .filter(|(title, text)| *title == TITLE || !text.is_empty());
    let sections = sections.map(|(title, text)| format!("{title}\n\n{text}"));
    let page: Vec<_> = sections.map(|it| it.trim().to_owned()).collect();
    page.join("\n\n") + "\n"
}

/// A section of a page, up to the next title; empty if it is not there.
fn of(page: &str, section: Section) -> &str {
    let titles = Section::ALL.map(Section::title);
    let Some((_, text)) = page.split_once(section.title()) else {
        return "";
    };
    let ends = titles.iter().filter_map(|title| text.find(title));
    &text[..ends.min().unwrap_or(text.len())]
}

/// What it ran on.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown model", |(_, model)| model.trim());
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<_> = release.trim().splitn(3, '.').take(2).collect();
    format!("{cores} cores of {model}, Linux {}", kernel.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_keeps_the_others() {
        let servers = with_section("", Section::Servers, "one\n");
        assert_eq!(servers, format!("{TITLE}\n\none\n"));
        let both = with_section(&servers, Section::Mounts, "two\n");
        assert_eq!(both, format!("{TITLE}\n\none\n\n{MOUNTS}\n\ntwo\n"));
        let newer = with_section(&both, Section::Servers, "three\n");
        assert_eq!(newer, format!("{TITLE}\n\nthree\n\n{MOUNTS}\n\ntwo\n"));
        let newest = with_section(&newer, Section::Mounts, "four\n");
        assert_eq!(newest, format!("{TITLE}\n\nthree\n\n{MOUNTS}\n\nfour\n"));
        let all = with_section(&newest, Section::Volumes, "five");
        assert_eq!(all, format!("{newest}\n{VOLUMES}\n\nfive\n"));
        let again = with_section(&all, Section::Mounts, "four");
        assert_eq!(again, all);
    }

    #[test]
    fn the_mounts_may_come_first() {
        let mounts = with_section("", Section::Mounts, "two");
        assert_eq!(mounts, format!("{TITLE}\n\n{MOUNTS}\n\ntwo\n"));
    }
}
