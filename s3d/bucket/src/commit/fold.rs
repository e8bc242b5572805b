//! Folds, as the committer sees them: when one is due, and the one that runs beside it (B3).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::errors::ClosedError;
use crate::index::memtable::{Memtable, Size};
use crate::index::{FoldError, IndexError};
use crate::log::position::Position;
use crate::offload::Offload;
use crate::shared::Shared;
use crate::space::reserve::release_for_fold;

/// The memtable is folded when it holds this many mutations …
const MUTATIONS: usize = 48_000;

/// … or this many bytes …
const BYTES: usize = 16 << 20;

/// … or is this old.
const AGE: Duration = Duration::from_secs(5);

/// A memtable of this size waits for the fold before it: memory is bounded even when the pool is
/// slower than its clients.
const MAX_MEMTABLE: usize = 32 << 20;

/// Between two attempts to fold into a full pool.
const FULL: Duration = Duration::from_secs(1);

/// Between two looks whether the index is mostly free pages.
const BETWEEN_MOVES: Duration = Duration::from_secs(20);

/// What runs beside the committer, if anything does, and when the next of it is due.
pub struct Fold {
    shared: Arc<Shared>,
    running: Option<Running>,
    /// When the oldest row of the active memtable came.
    oldest: Option<Instant>,
    /// Rows that found no room in the pool, where the log goes on behind them, and when they are
    /// tried again.
    refused: Option<(Arc<Memtable>, Position, Instant)>,
    /// When to look next whether the index is mostly free pages, and when that was done last.
    move_due: Option<Instant>,
    looked: Option<Instant>,
    /// Asks a move to make way for a fold.
    hurry: Arc<AtomicBool>,
}

enum Running {
    Fold(Arc<Memtable>, Position, Ended<FoldError>),
    Move(Ended<IndexError>),
}

type Ended<E> = oneshot::Receiver<Result<(), E>>;

impl Fold {
    /// Nothing runs and nothing is due.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            running: None,
            oldest: None,
            refused: None,
            // What an earlier move left half made is cleared first.
            move_due: Some(Instant::now()),
            looked: None,
            hurry: Arc::default(),
        }
    }

    /// Rows were put into the active memtable.
    pub fn note_rows(&mut self) {
        self.oldest.get_or_insert_with(Instant::now);
    }

    /// When something has to be begun with [`Fold::begin_due`].
    pub fn due(&self) -> Option<Instant> {
        // While something runs its end comes first; a due time would be met over and over.
        if self.running.is_some() {
            return None;
        }
        if let Some((_, _, again)) = &self.refused {
            return Some(*again);
        }
        let fold = self.oldest.map(|oldest| oldest + AGE);
        [fold, self.move_due].into_iter().flatten().min()
    }

    /// Begins what is due, a fold before a move. `position`: the log's.
    pub async fn begin_due(&mut self, position: Position) -> Result<(), ClosedError> {
        let now = Instant::now();
        if self.move_due.is_some_and(|due| due <= now)
            && self.refused.is_none()
            && self.oldest.is_none_or(|oldest| oldest + AGE > now)
        {
            self.begin_move();
            return Ok(());
        }
        self.begin(position).await
    }

    /// Begins a fold of every row so far, unless something runs.
    pub async fn begin(&mut self, position: Position) -> Result<(), ClosedError> {
        if self.running.is_some() {
            self.hurry.store(true, Ordering::Release);
            return Ok(());
        }
        let (frozen, position) = if let Some((frozen, position, _)) = self.refused.take() {
            (frozen, position)
        } else {
            self.oldest = None;
            let floor = self.shared.space.floor(position.address);
            // Frozen here and not on the thread: `position` says which groups are in the fold.
            let frozen = self.shared.index.freeze();
            (frozen, Position { floor, ..position })
        };
        let (index, rows) = (self.shared.index.clone(), frozen.clone());
        match self.shared.offload {
            Offload::Inline => {
                let folded = index.fold(&rows, &position);
                self.fold_ended(frozen, position, folded).await
            }
            Offload::Threads => {
                let (ended, end) = oneshot::channel();
                tokio::task::spawn_blocking(move || ended.send(index.fold(&rows, &position)));
                self.running = Some(Running::Fold(frozen, position, end));
                Ok(())
            }
        }
    }

    /// Begins a fold when the active memtable is large, and waits when it is too large.
    pub async fn begin_if_large(&mut self, position: Position) -> Result<(), ClosedError> {
        let Size { mutations, bytes } = self.shared.index.unfolded();
        if mutations < MUTATIONS && bytes < BYTES {
            return Ok(());
        }
        self.begin(position).await?;
        if bytes > MAX_MEMTABLE && self.running.is_some() {
            self.ended().await?;
            self.begin(position).await?;
        }
        Ok(())
    }

    /// Folds every row so far, and waits for it; in a full pool as far as there is room.
    pub async fn run_to_completion(&mut self, position: Position) -> Result<(), ClosedError> {
        self.hurry.store(true, Ordering::Release);
        self.quiesce().await?;
        // Once more if the reserve was given up for it.
        for _ in 0..2 {
            if self.refused.is_some() {
                self.begin(position).await?;
                self.quiesce().await?;
            }
        }
        if self.refused.is_none() && self.shared.index.unfolded().mutations > 0 {
            self.begin(position).await?;
            self.quiesce().await?;
        }
        Ok(())
    }

    async fn quiesce(&mut self) -> Result<(), ClosedError> {
        while self.running.is_some() {
            self.ended().await?;
        }
        Ok(())
    }

    /// Waits for the end of what runs; for ever when nothing does.
    pub async fn ended(&mut self) -> Result<(), ClosedError> {
        let unsaid = |_| ClosedError::Index("the fold ended without a word".into());
        match &mut self.running {
            None => std::future::pending().await,
            Some(Running::Fold(frozen, position, end)) => {
                let (frozen, position) = (frozen.clone(), *position);
                let folded = end.await.map_err(unsaid);
                self.running = None;
                self.fold_ended(frozen, position, folded?).await
            }
            Some(Running::Move(end)) => {
                let moved = end.await.map_err(unsaid);
                self.running = None;
                move_ended(moved?);
                Ok(())
            }
        }
    }

    async fn fold_ended(
        &mut self,
        frozen: Arc<Memtable>,
        position: Position,
        folded: Result<(), FoldError>,
    ) -> Result<(), ClosedError> {
        match folded {
            Ok(()) => {}
            Err(FoldError::NoSpace) => {
                let released = release_for_fold(&self.shared).await?;
                let pause = if released { Duration::ZERO } else { FULL };
                self.refused = Some((frozen, position, Instant::now() + pause));
                return Ok(());
            }
            Err(FoldError::Failed(error)) => return Err(error.into()),
        }
        let again = self.looked.map(|looked| looked + BETWEEN_MOVES);
        self.move_due = Some(again.unwrap_or_else(Instant::now));
        self.shared.space.set_folded(position);
        self.shared.folded.notify_waiters();
        Ok(())
    }

    fn begin_move(&mut self) {
        self.move_due = None;
        self.looked = Some(Instant::now());
        self.hurry.store(false, Ordering::Release);
        let (index, hurry) = (self.shared.index.clone(), self.hurry.clone());
        let work = move || {
            index.store().clear_other_half()?;
            if index.store().is_sparse()? {
                let hurry = || hurry.load(Ordering::Acquire);
                index.store().move_to_other_half(&hurry)?;
            }
            Ok(())
        };
        match self.shared.offload {
            Offload::Inline => move_ended(work()),
            Offload::Threads => {
                let (ended, end) = oneshot::channel();
                tokio::task::spawn_blocking(move || ended.send(work()));
                self.running = Some(Running::Move(end));
            }
        }
    }
}

/// An index that could not be moved is as good where it is.
fn move_ended(moved: Result<(), IndexError>) {
    if let Err(error) = moved {
        tracing::warn!(%error, "the index keeps its free pages until the next attempt");
    }
}
