//! Reads OpenWrt's language of configuration, as OpenWrt does: words between blanks, with quotes of both kinds and
//! backslashes, comments behind `#`.

use anyhow::{Context as _, bail, ensure};

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub kind: String,
    pub name: Option<String>,
    /// In the order in which they stand; those of a list have one name.
    pub values: Vec<(String, String)>,
}

impl Section {
    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter();
        let found = values.find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of an option that has to be there.
    pub fn wanted(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.option(name);
        value.with_context(|| format!("{} {:?} has no {name}", self.kind, self.name))
    }

    /// The values of a list.
    pub fn list<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let values = self.values.iter().filter(move |(own, _)| own == name);
        values.map(|(_, value)| value.as_str())
    }

    /// Whether an option is on.
    pub fn flag(&self, name: &str) -> bool {
        self.option(name) == Some("1")
    }

    /// Fails if the section says something that the caller does not know.
    pub fn knows(&self, names: &[&str]) -> anyhow::Result<()> {
        for (name, _) in &self.values {
            ensure!(
                names.contains(&name.as_str()),
                "{} says {name}, which nobody reads",
                self.kind
            );
        }
        Ok(())
    }
}

/// Reads one file.
pub fn parse(text: &str) -> anyhow::Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for line in lines(text)? {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        match (&words[..], sections.last_mut()) {
            (["config", kind], _) => sections.push(section(kind, None)),
            (["config", kind, name], _) => sections.push(section(kind, Some((*name).to_owned()))),
            (["option", name, value], Some(section)) => {
                let twice = section.option(name).is_some();
                ensure!(!twice, "{name} is set twice");
                section
                    .values
                    .push(((*name).to_owned(), (*value).to_owned()));
            }
            (["list", name, value], Some(section)) => {
                section
                    .values
                    .push(((*name).to_owned(), (*value).to_owned()));
            }
            (words, _) => bail!("{words:?} is no line of UCI"),
        }
    }
    Ok(sections)
}

fn section(kind: &str, name: Option<String>) -> Section {
    Section {
        kind: kind.to_owned(),
        name,
        values: Vec::new(),
    }
}

/// The words of every line that has some.
fn lines(text: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let mut lines = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' | ' ' | '\t' => {
                lines.last_mut().expect("never empty").extend(word.take());
                if letter == '\n' {
                    lines.push(Vec::new());
                }
            }
            '#' if word.is_none() => {
                let _ = letters.by_ref().find(|letter| *letter == '\n');
                lines.push(Vec::new());
            }
            '\'' => quoted(&mut letters, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut letters, '"', word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().extend(letters.next()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    lines.last_mut().expect("never empty").extend(word);
    lines.retain(|line| !line.is_empty());
    Ok(lines)
}

fn quoted(
    letters: &mut impl Iterator<Item = char>,
    quote: char,
    word: &mut String,
) -> anyhow::Result<()> {
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter == quote => return Ok(()),
            '\\' if quote == '"' => word.extend(letters.next()),
            letter => word.push(letter),
        }
    }
    bail!("a quote is not closed: {word}")
}
