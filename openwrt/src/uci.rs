//! OpenWrt's language of configuration: sections, each with options that have one value or a list.

use std::fmt;

/// One file of `/etc/config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(Vec<Section>);

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    kind: String,
    name: Option<String>,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// `option`, or `list` for one value of several.
    keyword: &'static str,
    name: &'static str,
    value: String,
}

impl Config {
    /// With another section at its end.
    pub fn with(mut self, section: Section) -> Self {
        self.0.push(section);
        self
    }

    /// With more sections at its end.
    pub fn with_all(mut self, sections: impl IntoIterator<Item = Section>) -> Self {
        self.0.extend(sections);
        self
    }
}

impl Section {
    /// One that others refer to by its name.
    pub fn named(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::new(kind)
        }
    }

    /// One without a name.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            name: None,
            lines: Vec::new(),
        }
    }

    /// Sets an option.
    pub fn option(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.push("option", name, value);
        self
    }

    /// Sets an option that is yes or no.
    pub fn flag(self, name: &'static str, value: bool) -> Self {
        self.option(name, u8::from(value))
    }

    /// Adds values to a list.
    pub fn list<T: fmt::Display>(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        for value in values {
            self.push("list", name, value);
        }
        self
    }

    fn push(&mut self, keyword: &'static str, name: &'static str, value: impl fmt::Display) {
        self.lines.push(Line {
            keyword,
            name,
            value: value.to_string(),
        });
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, section) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{section}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config {}", self.kind)?;
        if let Some(name) = &self.name {
            write!(f, " {}", Quoted(name))?;
        }
        f.write_str("\n")?;
        for line in &self.lines {
            let value = Quoted(&line.value);
            writeln!(f, "\t{} {} {value}", line.keyword, line.name)?;
        }
        Ok(())
    }
}

/// A text between single quotes, where nothing but they means anything; each of its own stands outside of
/// them, behind a backslash.
pub struct Quoted<'t>(pub &'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_written_as_openwrt_writes_it() {
        let lan = Section::named("interface", "lan")
            .option("proto", "static")
            .flag("auto", true)
            .list("dns", ["192.0.2.1", "192.0.2.2"]);
        let config = Config::default().with(lan).with(Section::new("route"));
        let lines = [
            "config interface 'lan'",
            "\toption proto 'static'",
            "\toption auto '1'",
            "\tlist dns '192.0.2.1'",
            "\tlist dns '192.0.2.2'",
            "",
            "config route",
            "",
        ];
        assert_eq!(config.to_string(), lines.join("\n"));
    }

    #[test]
    fn quotes_within_are_kept() {
        assert_eq!(Quoted("it's").to_string(), r"'it'\''s'");
    }
}
