//! What a file is while it is being changed: staged bytes over an object.

use std::ops::Range;

use crate::ranges::Ranges;

/// The object that staged bytes lie over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Base {
    /// Its ETag, as the server writes it.
    pub etag: String,
    /// Its length in bytes.
    pub size: u64,
}

/// Where bytes of a file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// They are staged.
    Staged(Range<u64>),
    /// They are the object's.
    Base(Range<u64>),
    /// They are zeros that nobody wrote.
    Zeros(Range<u64>),
}

impl Piece {
    /// Which bytes.
    pub fn range(&self) -> &Range<u64> {
        match self {
            Self::Staged(range) | Self::Base(range) | Self::Zeros(range) => range,
        }
    }
}

/// The bytes of a file that was changed: which of them are staged, and which are still the object's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    size: u64,
    base: Option<Base>,
    /// Bytes of the object that are still the file's: those before this, where nothing is staged.
    kept: u64,
    staged: Ranges,
    /// Which bytes changed since the object was as it is; those behind `kept` did in any case.
    changed: Ranges,
    /// Bytes that changed since the upload began that is under way.
    since: Option<Since>,
    resized: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Since {
    changed: Ranges,
    /// The shortest that the file has been.
    least: u64,
    resized: bool,
}

impl Stage {
    /// A file as it is in an object, or a new and empty one.
    pub fn new(base: Option<Base>) -> Self {
        let size = base.as_ref().map_or(0, |base| base.size);
        Self {
            size,
            kept: size,
            base,
            ..Self::default()
        }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The object it lies over.
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Bytes that were written.
    pub fn write(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if range.end > self.size {
            self.resize(range.end);
        }
        self.staged.insert(range.clone());
        self.changed.insert(range.clone());
        if let Some(since) = &mut self.since {
            since.changed.insert(range);
        }
    }

    /// Bytes of the object that were fetched and staged: they are at hand, and not changed.
    pub fn fetched(&mut self, range: Range<u64>) {
        self.staged.insert(range);
    }

    /// The file gets shorter, or longer by zeros.
    pub fn resize(&mut self, size: u64) {
        if size == self.size {
            return;
        }
        let gone = size..u64::MAX;
        self.staged.remove(gone.clone());
        self.changed.remove(gone.clone());
        self.kept = self.kept.min(size);
        self.size = size;
        self.resized = true;
        if let Some(since) = &mut self.since {
            since.changed.remove(gone);
            since.least = since.least.min(size);
            since.resized = true;
        }
    }

    /// Where the bytes of `range` come from, in order, as far as the file reaches.
    pub fn pieces(&self, range: Range<u64>) -> Vec<Piece> {
        let range = range.start.min(self.size)..range.end.min(self.size);
        let mut pieces = Vec::new();
        for (part, staged) in self.staged.split(range) {
            if staged {
                pieces.push(Piece::Staged(part));
                continue;
            }
            let middle = self.kept.clamp(part.start, part.end);
            for piece in [
                Piece::Base(part.start..middle),
                Piece::Zeros(middle..part.end),
            ] {
                if !piece.range().is_empty() {
                    pieces.push(piece);
                }
            }
        }
        pieces
    }

    /// Whether its bytes differ from the object's.
    pub fn is_changed(&self) -> bool {
        self.base.is_none() || self.resized || !self.changed.is_empty()
    }

    /// Whether it is this object but for the bytes behind `length`.
    pub fn is_cut(&self, object: &Base, length: u64) -> bool {
        let whole = self.base.as_ref() == Some(object) && self.changed.is_empty();
        whole && self.kept == length && self.size == length && length < object.size
    }

    /// The bytes that differ from the object's, or may.
    pub fn changes(&self) -> Ranges {
        let mut changes = self.changed.clone();
        changes.insert(self.kept..self.size);
        changes
    }

    /// Whether every byte of a range is staged.
    pub fn has_staged(&self, range: Range<u64>) -> bool {
        self.staged.contains(range)
    }

    /// Whether bytes of the object are still the file's.
    pub fn needs_base(&self) -> bool {
        self.kept > 0
    }

    /// Whether every byte is staged, or zero.
    pub fn is_whole(&self) -> bool {
        let pieces = self.pieces(0..self.size);
        !pieces.iter().any(|piece| matches!(piece, Piece::Base(_)))
    }

    /// The object beneath is gone: where its bytes were there are zeros.
    pub fn detach(&mut self) {
        self.base = None;
        self.kept = 0;
    }

    /// An upload of the file as it is now begins.
    pub fn begin_upload(&mut self) {
        self.since = Some(Since {
            least: self.size,
            ..Since::default()
        });
    }

    /// The upload did not happen.
    pub fn upload_failed(&mut self) {
        self.since = None;
    }

    /// The upload that began last made this object. What changed meanwhile is still to be uploaded.
    pub fn uploaded(&mut self, base: Base) {
        let since = self.since.take().unwrap_or_default();
        self.kept = base.size.min(since.least).min(self.size);
        self.base = Some(base);
        self.changed = since.changed;
        self.resized = since.resized;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(size: u64) -> Base {
        Base {
            etag: format!("{size}"),
            size,
        }
    }

    #[test]
    fn truncating_and_growing_again_leaves_zeros() {
        let mut stage = Stage::new(Some(base(10)));
        assert!(!stage.is_changed());
        stage.resize(4);
        stage.resize(8);
        assert_eq!(stage.pieces(0..20), [Piece::Base(0..4), Piece::Zeros(4..8)]);
        stage.write(6..7);
        assert_eq!(
            stage.pieces(2..8),
            [
                Piece::Base(2..4),
                Piece::Zeros(4..6),
                Piece::Staged(6..7),
                Piece::Zeros(7..8)
            ]
        );
        assert_eq!(
            (stage.changes().bounds(), stage.changes().total()),
            (Some(4..8), 4)
        );
    }

    #[test]
    fn what_was_only_cut_is_told_from_what_was_changed() {
        let mut stage = Stage::new(Some(base(10)));
        assert!(!stage.is_cut(&base(10), 10));
        stage.resize(4);
        assert!(stage.is_cut(&base(10), 4));
        assert!(!stage.is_cut(&base(11), 4) && !stage.is_cut(&base(10), 5));
        let mut grown = stage.clone();
        grown.resize(5);
        assert!(!grown.is_cut(&base(10), 5), "it ends in zeros");
        stage.write(3..4);
        assert!(!stage.is_cut(&base(10), 4));
    }

    #[test]
    fn an_empty_new_file_is_a_change() {
        let mut stage = Stage::new(None);
        assert!(stage.is_changed() && stage.is_whole());
        stage.begin_upload();
        stage.uploaded(base(0));
        assert!(!stage.is_changed());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(Range<u64>),
        Resize(u64),
        Begin,
        Uploaded,
        Failed,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..40_u64, 0..12_u64).prop_map(|(at, length)| Step::Write(at..at + length)),
            2 => (0..50_u64).prop_map(Step::Resize),
            1 => Just(Step::Begin),
            1 => Just(Step::Uploaded),
            1 => Just(Step::Failed),
        ]
    }

    proptest! {
        /// The file as its pieces describe it is the file as it was written, and an object made of the
        /// old one and the changes is the file when it was uploaded.
        #[test]
        fn pieces_and_changes_make_the_file(initial in 0..30_u64, steps in prop::collection::vec(step(), 0..40)) {
            let mut object: Vec<u8> = (0..initial).map(|_| 1).collect();
            let mut stage = Stage::new(Some(base(initial)));
            let mut file = object.clone();
            let mut local = vec![0_u8; 100];
            let mut uploading: Option<Vec<u8>> = None;
            let read = |stage: &Stage, object: &[u8], local: &[u8]| {
                let mut bytes = Vec::new();
                for piece in stage.pieces(0..u64::MAX) {
                    let range = piece.range().start as usize..piece.range().end as usize;
                    match piece {
                        Piece::Staged(_) => bytes.extend(&local[range]),
                        Piece::Base(_) => bytes.extend(&object[range]),
                        Piece::Zeros(_) => bytes.resize(bytes.len() + range.len(), 0),
                    }
                }
                bytes
            };
            for (value, step) in (2_u8..).zip(steps) {
                match step {
                    Step::Write(range) => {
                        let at = range.start as usize..range.end as usize;
                        if !range.is_empty() && file.len() < at.end {
                            file.resize(at.end, 0);
                        }
                        if !range.is_empty() {
                            file[at.clone()].fill(value);
                        }
                        local[at].fill(value);
                        stage.write(range);
                    }
                    Step::Resize(size) => {
                        file.resize(size as usize, 0);
                        stage.resize(size);
                    }
                    Step::Begin if uploading.is_none() => {
                        // What a server would make of the changes.
                        let mut made = object.clone();
                        made.resize(stage.size() as usize, 77);
                        for range in stage.changes().iter() {
                            let at = range.start as usize..range.end as usize;
                            made[at.clone()].copy_from_slice(&file[at]);
                        }
                        prop_assert_eq!(&made, &file);
                        stage.begin_upload();
                        uploading = Some(made);
                    }
                    Step::Uploaded => if let Some(made) = uploading.take() {
                        stage.uploaded(base(made.len() as u64));
                        object = made;
                    }
                    Step::Failed => if uploading.take().is_some() {
                        stage.upload_failed();
                    }
                    Step::Begin => {}
                }
                prop_assert_eq!(stage.size(), file.len() as u64);
                prop_assert_eq!(&read(&stage, &object, &local), &file);
                if !stage.is_changed() {
                    prop_assert_eq!(&file, &object);
                }
            }
        }
    }
}
