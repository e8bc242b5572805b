//! What the server is being asked for: an answer may be older than what was heard meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use crate::mount::Mount;

/// Keys that the server is being asked for.
#[derive(Debug, Default)]
pub struct Asking {
    keys: HashMap<String, Questions>,
    /// What begins so is being given other keys.
    moving: Option<String>,
}

/// One key.
#[derive(Debug, Default)]
struct Questions {
    /// How many are under way.
    count: usize,
    /// Something happened to it meanwhile.
    outdated: bool,
    /// Somebody else did something to it meanwhile.
    disturbed: bool,
}

impl Asking {
    fn begin(&mut self, key: &str) {
        self.keys.entry(key.to_owned()).or_default().count += 1;
    }

    fn end(&mut self, key: &str) {
        if let Some(questions) = self.keys.get_mut(key) {
            questions.count -= 1;
            if questions.count == 0 {
                self.keys.remove(key);
            }
        }
    }

    fn is_outdated(&self, key: &str) -> bool {
        let moves = |prefix: &String| key.starts_with(prefix);
        self.moving.as_ref().is_some_and(moves) || self.keys.get(key).is_some_and(|it| it.outdated)
    }

    fn is_disturbed(&self, key: &str) -> bool {
        let moves = |prefix: &String| key.starts_with(prefix);
        self.moving.as_ref().is_some_and(moves) || self.keys.get(key).is_some_and(|it| it.disturbed)
    }

    /// Something happened to an object: what is asked of it, and of the directories that it is in, may
    /// be answered as it was before. `own`: it was done here.
    pub fn note(&mut self, key: &str, own: bool) {
        if self.keys.is_empty() {
            return;
        }
        let slashes = key.match_indices('/').map(|(at, _)| at);
        for end in slashes.chain([key.len()]) {
            if let Some(questions) = self.keys.get_mut(&key[..end]) {
                questions.outdated = true;
                questions.disturbed |= !own;
            }
        }
    }

    /// The same of all objects whose keys begin with `prefix`.
    pub fn note_prefix(&mut self, prefix: &str) {
        self.note(prefix, false);
        for (key, questions) in &mut self.keys {
            let begins = key.starts_with(prefix);
            questions.outdated |= begins;
            questions.disturbed |= begins;
        }
    }

    /// All keys that begin with `from` are about to begin with `to`: until that is done, whatever is
    /// answered of them is outdated.
    pub fn begin_move(&mut self, from: &str) {
        self.moving = Some(from.to_owned());
    }

    /// It is done, or failed.
    pub fn end_move(&mut self, from: &str, to: &str) {
        self.moving = None;
        self.note_prefix(from);
        self.note_prefix(to);
    }
}

/// The server is asked for a key.
pub struct Asked {
    mount: Arc<Mount>,
    key: String,
}

impl Asked {
    /// Begins to ask.
    pub fn new(mount: &Arc<Mount>, key: String) -> Self {
        mount.asking.lock().begin(&key);
        Self {
            mount: mount.clone(),
            key,
        }
    }

    /// Whether what is answered may be older than what was heard meanwhile.
    pub fn is_outdated(&self) -> bool {
        self.mount.asking.lock().is_outdated(&self.key)
    }

    /// Whether anybody else did something to the key since this began: what was done here is then not
    /// known to be the last.
    pub fn is_disturbed(&self) -> bool {
        self.mount.asking.lock().is_disturbed(&self.key)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.mount.asking.lock().end(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_outdates_answers_about_it_and_its_directories() {
        let mut asking = Asking::default();
        for key in ["a", "a/b", "a/b/c", "a/d"] {
            asking.begin(key);
        }
        asking.note("a/b", true);
        let outdated = |asking: &Asking, key| asking.is_outdated(key);
        assert!(outdated(&asking, "a") && outdated(&asking, "a/b"));
        assert!(!outdated(&asking, "a/b/c") && !outdated(&asking, "a/d"));
        assert!(!asking.is_disturbed("a/b"), "it was done here");
        asking.note("a/b/c", false);
        assert!(asking.is_disturbed("a/b") && asking.is_disturbed("a/b/c"));
        asking.note_prefix("a/b/");
        assert!(outdated(&asking, "a/b/c") && !outdated(&asking, "a/d"));
        assert!(asking.is_disturbed("a/b/c") && !asking.is_disturbed("a/d"));
        asking.end("a/b/c");
        asking.begin("a/b/c");
        assert!(!outdated(&asking, "a/b/c"), "it is asked for anew");
    }

    #[test]
    fn nothing_is_known_of_keys_that_are_moving() {
        let mut asking = Asking::default();
        asking.begin_move("a/");
        asking.begin("a/b");
        assert!(asking.is_outdated("a/b") && !asking.is_outdated("a"));
        asking.begin("c/b");
        asking.end_move("a/", "c/");
        assert!(asking.is_outdated("a/b") && asking.is_outdated("c/b"));
        assert!(!asking.is_outdated("a/d"));
    }
}
