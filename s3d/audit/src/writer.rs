//! The thread that writes events.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::event::Event;

/// Length at which the next file is begun, in bytes.
const LENGTH: u64 = 4 << 20;

/// Files that are kept.
const KEPT: usize = 16;

/// An event to be written, and who waits for it.
pub struct Entry {
    pub event: Event,
    pub written: Option<oneshot::Sender<()>>,
}

/// Where the next event goes.
pub struct Writer {
    folder: PathBuf,
    /// The files, oldest first; the last one is written to.
    numbers: VecDeque<u64>,
    file: File,
    length: u64,
}

impl Writer {
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut numbers = VecDeque::from(numbers(folder)?);
        let number = numbers.back().copied().unwrap_or(1);
        if numbers.is_empty() {
            numbers.push_back(number);
        }
        let mut file = open(folder, number)?;
        let length = file.metadata()?.len();
        if length > 0 {
            // Ends a line that a crash may have torn; an empty line is passed over.
            file.write_all(b"\n")?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            numbers,
            file,
            length,
        })
    }

    /// Until nobody can send any more.
    pub fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        while let Some(entry) = entries.blocking_recv() {
            let mut batch = vec![entry];
            while let Ok(entry) = entries.try_recv() {
                batch.push(entry);
            }
            if let Err(error) = self.write(&batch) {
                tracing::error!(%error, events = batch.len(), "the audit log cannot be written");
            }
            for written in batch.into_iter().filter_map(|entry| entry.written) {
                // Nobody may wait any more.
                let _ = written.send(());
            }
        }
    }

    /// Writes events with one sync.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in batch {
            serde_json::to_writer(&mut lines, &entry.event)?;
            lines.push(b'\n');
        }
        if self.length >= LENGTH {
            self.begin_next()?;
        }
        self.length += lines.len() as u64;
        self.file.write_all(&lines)?;
        self.file.sync_data()
    }

    fn begin_next(&mut self) -> io::Result<()> {
        let number = self.numbers.back().copied().unwrap_or(0) + 1;
        self.file = open(&self.folder, number)?;
        File::open(&self.folder)?.sync_all()?;
        self.length = 0;
        self.numbers.push_back(number);
        while self.numbers.len() > KEPT
            && let Some(oldest) = self.numbers.pop_front()
        {
            fs::remove_file(path(&self.folder, oldest))?;
        }
        Ok(())
    }
}

fn open(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path(folder, number))
}

/// The file of a number.
pub fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.jsonl"))
}

/// The numbers of the files that are there, in order.
pub fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
