//! Patterns with `*` and `?`, as resources, actions and some conditions have them.

use crate::error::PolicyError;

/// A text in which `*` stands for any characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Character(char),
}

impl Pattern {
    /// Reads a pattern. `${*}`, `${?}` and `${$}` are the characters themselves; there are no other
    /// policy variables.
    pub fn new(text: &str) -> Result<Self, PolicyError> {
        let tokens = read(text, |character| match character {
            '*' => Token::Any,
            '?' => Token::One,
            character => Token::Character(character),
        });
        tokens.map(Self)
    }

    /// Reads a text that has no wildcards, but may have the escapes.
    pub fn literal(text: &str) -> Result<Self, PolicyError> {
        read(text, Token::Character).map(Self)
    }

    /// Whether it stands for more than one text.
    pub fn is_open(&self) -> bool {
        let open = |token: &Token| matches!(token, Token::Any | Token::One);
        self.0.iter().any(open)
    }

    /// Whether it stands for this text. Takes at most as many steps as the product of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let (mut tokens, mut rest) = (&self.0[..], text.chars());
        // Where to go on when the last `*` has to stand for one character more.
        let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            let fits = match (tokens.first(), rest.next()) {
                (None, None) => return true,
                (Some(Token::Any), _) => {
                    tokens = &tokens[1..];
                    rest = before;
                    retry = Some((tokens, rest.clone()));
                    continue;
                }
                (Some(Token::One), Some(_)) => true,
                (Some(Token::Character(wanted)), Some(character)) => *wanted == character,
                _ => false,
            };
            if fits {
                tokens = &tokens[1..];
                continue;
            }
            let Some((behind, from)) = &mut retry else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            tokens = behind;
            rest = from.clone();
        }
    }
}

impl Pattern {
    /// Whether it stands for any text that begins so.
    pub fn matches_below(&self, beginning: &str) -> bool {
        // Where in the pattern what was read so far may have led: a `*` may stand for nothing.
        let mut reached = vec![false; self.0.len() + 1];
        reached[0] = true;
        let pass_stars = |reached: &mut Vec<bool>| {
            for (at, token) in self.0.iter().enumerate() {
                reached[at + 1] |= reached[at] && *token == Token::Any;
            }
        };
        pass_stars(&mut reached);
        for character in beginning.chars() {
            let mut next = vec![false; reached.len()];
            for (at, token) in self.0.iter().enumerate().filter(|(at, _)| reached[*at]) {
                match token {
                    Token::Any => next[at] = true,
                    Token::One => next[at + 1] = true,
                    Token::Character(wanted) => next[at + 1] |= *wanted == character,
                }
            }
            pass_stars(&mut next);
            reached = next;
        }
        // What is left of the pattern stands for something.
        reached.contains(&true)
    }
}

fn read(text: &str, token: impl Fn(char) -> Token) -> Result<Vec<Token>, PolicyError> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(variable) = rest.strip_prefix("${") {
            let end = variable.find('}').unwrap_or(variable.len());
            let mut name = variable[..end].chars();
            match (name.next(), name.next()) {
                (Some(escaped @ ('*' | '?' | '$')), None) if end < variable.len() => {
                    tokens.push(Token::Character(escaped));
                }
                _ => {
                    let shown = &rest[..(end + 3).min(rest.len())];
                    return Err(PolicyError::Variable(shown.to_owned()));
                }
            }
            rest = &variable[end + 1..];
        } else {
            tokens.push(token(character));
            rest = &rest[character.len_utf8()..];
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).expect("a pattern").matches(text)
    }

    #[test]
    fn a_beginning_fits_what_may_go_on_so() {
        let below = |pattern: &str, beginning: &str| {
            let pattern = Pattern::new(pattern).expect("a pattern");
            pattern.matches_below(beginning)
        };
        for (pattern, beginning) in [
            ("*", "b/a/"),
            ("b/a/*", "b/a/"),
            ("b/a/x/y", "b/a/"),
            ("b/*.jpg", "b/a/"),
            ("b/?/x", "b/a/"),
            ("b/a/", "b/a/"),
            ("b/**/x*", "b/a/x"),
        ] {
            assert!(below(pattern, beginning), "{pattern}");
        }
        for pattern in ["", "b", "b/a", "b/c/*", "b/?", "?/b*", "c*"] {
            assert!(!below(pattern, "b/a/"), "{pattern}");
        }
    }

    #[test]
    fn stars_stand_for_anything_and_question_marks_for_one_character() {
        assert!(matches("*", ""));
        assert!(matches("a*", "a/b/c"));
        assert!(matches("*/b/*", "a/b/b/c"));
        assert!(matches("a?c*", "aéc"));
        assert!(matches("*.jpg", "a.jpg.jpg"));
        assert!(!matches("a?c", "ac"));
        assert!(!matches("a", "ab"));
        assert!(!matches("", "a"));
        assert!(!matches("*a", "ab"));
    }

    #[test]
    fn escapes_are_the_characters_themselves() {
        assert!(matches("a${*}b", "a*b") && !matches("a${*}b", "axb"));
        assert!(matches("${?}${$}", "?$"));
        for unknown in ["${aws:username}", "a${", "${}", "${*", "${**}"] {
            let refused = Pattern::new(unknown);
            assert!(
                matches!(refused, Err(PolicyError::Variable(_))),
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_literal_has_no_wildcards() {
        let literal = Pattern::literal("a*").expect("a literal");
        assert!(literal.matches("a*") && !literal.matches("ab") && !literal.is_open());
        assert!(Pattern::new("a*").expect("a pattern").is_open());
    }

    /// The definition, which takes exponentially many steps.
    fn defined(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', behind @ ..], _) => {
                (0..=text.len()).any(|taken| defined(behind, &text[taken..]))
            }
            (['?', behind @ ..], [_, rest @ ..]) => defined(behind, rest),
            ([wanted, behind @ ..], [found, rest @ ..]) => wanted == found && defined(behind, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab*?]{0,8}", text in "[abé]{0,8}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = defined(&characters(&pattern), &characters(&text));
            prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }
}
