//! Places in a `rack.toml`: which value a sentence is about, and where that value stands in the text.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// One step from a table or an array to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(&'static str),
    Index(usize),
}

/// Where a value is: the keys and indices that lead to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(Vec<Step>);

impl Place {
    /// The value, table or array of that name at the top.
    pub fn of(key: &'static str) -> Self {
        Self::default().key(key)
    }

    /// What the table here holds under that name.
    pub fn key(mut self, key: &'static str) -> Self {
        self.0.push(Step::Key(key));
        self
    }

    /// The n-th of the array here, counted from 0.
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// Its bytes in the text; when it is not written there, those of what it would be in.
    pub fn locate(&self, text: &str) -> Range<usize> {
        let Ok(table) = DeTable::parse(text) else {
            return 0..0;
        };
        let mut span = 0..0;
        let mut here: Option<&DeValue<'_>> = None;
        for step in &self.0 {
            let next = match (here, step) {
                (None, Step::Key(key)) => table.get_ref().get(*key),
                (Some(DeValue::Table(table)), Step::Key(key)) => table.get(*key),
                (Some(DeValue::Array(array)), Step::Index(index)) => array.get(*index),
                _ => None,
            };
            let Some(next) = next else { break };
            span = next.span();
            here = Some(next.get_ref());
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"attic\"\n[network]\nrouter = \"10.0.0.1\"\n[[node]]\nslot = 1\n[[node]]\nslot = 17\n";

    fn at(place: &Place) -> &'static str {
        &TEXT[place.locate(TEXT)]
    }

    #[test]
    fn values_are_found_by_their_place() {
        assert_eq!(at(&Place::of("name")), "\"attic\"");
        assert_eq!(at(&Place::of("network").key("router")), "\"10.0.0.1\"");
        assert_eq!(at(&Place::of("node").index(1).key("slot")), "17");
    }

    #[test]
    fn what_is_not_written_is_where_it_would_be() {
        assert_eq!(at(&Place::of("network").key("guests")), "[network]");
        assert_eq!(at(&Place::of("node").index(1).key("address")), "[[node]]");
        assert_eq!(at(&Place::of("forge")), "");
    }
}
