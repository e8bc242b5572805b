//! How the nodes of an image come into their rack's cluster.

use std::collections::BTreeMap;

use hayrack_node::FOUND;

/// By a node's name what its admission says: the word that makes the cluster, or a token.
pub type Admissions = BTreeMap<String, String>;

/// Why nodes would not come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionsError {
    /// The image is for others.
    #[error(
        "{found} is to make the cluster, and the image is for {nodes}: --found names one of them"
    )]
    NotIn {
        /// Which is to.
        found: String,
        /// For which the image is.
        nodes: String,
    },
    /// A node cannot do both.
    #[error(
        "{0} is to make the cluster, and there is a token with which it joins one, the secret join-{0}: leave out \
         --found, or remove secrets/join-{0}.age"
    )]
    Both(String),
    /// What is kept is no token.
    #[error(
        "the secret join-{0} is no token, which is one word: remove secrets/join-{0}.age, and `rack admit` lets {0} in"
    )]
    NoToken(String),
    /// A token lets one node in.
    #[error(
        "the secrets join-{first} and join-{second} are the same token, and a token lets one node in: remove \
         secrets/join-{second}.age, and `rack admit` lets {second} in"
    )]
    Same {
        /// Whose it is.
        first: String,
        /// Whose it is, too.
        second: String,
    },
}

/// The admissions of an image for `nodes`: `found` makes the cluster, and those with a token join it. A node that has
/// neither waits to be admitted.
pub fn admissions(
    nodes: &[&str],
    found: Option<&str>,
    tokens: &BTreeMap<String, String>,
) -> Result<Admissions, AdmissionsError> {
    let mut admissions = Admissions::new();
    for (node, token) in tokens {
        let token = token.trim();
        if token.is_empty() || token == FOUND || token.contains(char::is_whitespace) {
            return Err(AdmissionsError::NoToken(node.clone()));
        }
        if let Some((first, _)) = admissions.iter().find(|(_, other)| *other == token) {
            return Err(AdmissionsError::Same {
                first: first.clone(),
                second: node.clone(),
            });
        }
        admissions.insert(node.clone(), token.to_owned());
    }
    let Some(found) = found else {
        return Ok(admissions);
    };
    if !nodes.contains(&found) {
        return Err(AdmissionsError::NotIn {
            found: found.to_owned(),
            nodes: nodes.join(", "),
        });
    }
    if admissions
        .insert(found.to_owned(), FOUND.to_owned())
        .is_some()
    {
        return Err(AdmissionsError::Both(found.to_owned()));
    }
    Ok(admissions)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

    fn tokens(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter()
            .map(|(node, token)| ((*node).to_owned(), (*token).to_owned()))
            .collect()
    }

    #[test]
    fn one_node_makes_the_cluster_and_the_others_join() {
        let tokens = tokens(&[("node-2", "ae6u\n"), ("node-3", "b2")]);
        let admissions = admissions(&NODES, Some("node-1"), &tokens).unwrap();
        let all: Vec<_> = admissions.iter().map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(all, ["node-1 found", "node-2 ae6u", "node-3 b2"]);
    }

    #[test]
    fn what_would_let_nobody_in_is_refused() {
        let refused = |found, all: &[(&str, &str)]| {
            let refused = admissions(&NODES[..2], found, &tokens(all)).unwrap_err();
            refused.to_string()
        };
        let same = refused(None, &[("node-1", "ae6u"), ("node-2", "ae6u\n")]);
        assert!(
            same.contains("join-node-1 and join-node-2 are the same token"),
            "{same}"
        );
        let elsewhere = refused(Some("node-3"), &[]);
        assert!(
            elsewhere.contains("the image is for node-1, node-2"),
            "{elsewhere}"
        );
        let both = refused(Some("node-1"), &[("node-1", "ae6u")]);
        assert!(both.contains("secrets/join-node-1.age"), "{both}");
        for text in ["", "\n", "two words", "found"] {
            let none = refused(None, &[("node-2", text)]);
            assert!(none.contains("join-node-2 is no token"), "{none}");
        }
    }
}
