//! Nodes that a command of this machine reaches, as for network namespaces and tests.

use std::fs::File;
use std::process::Command;

use rack_model::Node;

use super::command::{Reach, ReachError, Said, run};

/// Words of a command; `{name}`, `{address}` and `{slot}` are the node's. What is to be run on the node follows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<String>);

impl Template {
    /// Words with spaces between, one at least.
    pub fn of(text: &str) -> Option<Self> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    fn words(&self, node: &Node) -> Vec<String> {
        let of_node = |word: &String| {
            word.replace("{name}", node.name.as_str())
                .replace("{address}", &node.address.to_string())
                .replace("{slot}", &node.slot.to_string())
        };
        self.0.iter().map(of_node).collect()
    }
}

impl Reach for Template {
    fn run(&self, node: &Node, words: &[&str], input: Option<File>) -> Result<Said, ReachError> {
        let own = self.words(node);
        let mut command = Command::new(&own[0]);
        run(node, command.args(&own[1..]).args(words), input)
    }
}
