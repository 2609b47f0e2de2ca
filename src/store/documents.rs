//! Small documents, one JSON file per owner: read at once, written by a task that waits a moment, so that a burst of
//! changes costs an SD card one write.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::data_dir::DataDir;
use super::file;

/// The form of the wrapper around every document.
const VERSION: u32 = 1;
/// How long a change waits for others to join it.
const COALESCE: Duration = Duration::from_secs(1);
/// First and longest pause before a failed write is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long [`Store::flush`] waits for the disk.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);
/// Largest document, in bytes. Ours have a few kilobytes; the limit keeps a mistake from filling memory or card.
const MAX_DOCUMENT: u64 = 4 << 20;
/// How many damaged versions of one document are kept apart.
const MAX_DAMAGED: u32 = 1000;

/// Reads documents and takes new versions of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Shared>);

/// The task that writes. Without it nothing reaches the disk.
#[derive(Debug)]
pub struct Writer(Arc<Shared>);

/// Why a document cannot be read or taken.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name cannot be that of a file.
    #[error("`{0}` cannot be the name of a document")]
    Name(String),
    /// The disk does not do what we ask.
    #[error("document `{name}`: {source}")]
    Disk {
        /// Which document.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It was written by a newer version of this program; reading it as ours could lose what is in it.
    #[error("document `{name}` was written by a newer version of this program")]
    Newer {
        /// Which document.
        name: String,
    },
    /// The value cannot be written as JSON, or is too large.
    #[error("document `{name}` cannot be written: {reason}")]
    Unwritable {
        /// Which document.
        name: String,
        /// Why.
        reason: String,
    },
    /// Not everything is on disk yet.
    #[error("documents are not on disk yet: {0}")]
    Unsaved(String),
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    queue: Mutex<Queue>,
    changed: Notify,
    flush: Notify,
    progress: watch::Sender<Progress>,
}

/// What waits for the disk: at most one version of each document.
#[derive(Debug, Default)]
struct Queue {
    documents: BTreeMap<String, Arc<[u8]>>,
    /// Counts every change.
    last: u64,
}

/// How far the writer is.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// All changes up to this one were tried.
    tried: u64,
    /// Why some of them are not on disk.
    failure: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Document<T> {
    version: u32,
    data: T,
}

impl Store {
    /// The documents of a data directory, and the task that writes them.
    pub fn open(directory: &DataDir) -> (Self, Writer) {
        let shared = Arc::new(Shared {
            directory: directory.path().to_owned(),
            queue: Mutex::default(),
            changed: Notify::new(),
            flush: Notify::new(),
            progress: watch::Sender::new(Progress::default()),
        });
        (Self(Arc::clone(&shared)), Writer(shared))
    }

    /// The newest version of a document; `None` when there is none, or none that can be read. A damaged file is moved
    /// aside and named in the log. Touches the disk: for the start, or for threads that may block.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        check_name(name)?;
        let queued = self.0.queue().documents.get(name).cloned();
        if let Some(content) = queued {
            return self.decode(name, &content);
        }
        let path = self.0.path(name);
        match fs::metadata(&path).and_then(|file| {
            if file.len() > MAX_DOCUMENT {
                Ok(None)
            } else {
                fs::read(&path).map(Some)
            }
        }) {
            Ok(Some(content)) => self.decode(name, &content),
            Ok(None) => self.set_aside(name, "too large"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Disk {
                name: name.to_owned(),
                source,
            }),
        }
    }

    /// Takes a new version of a document, to be written soon. Never waits; the latest version wins.
    pub fn write<T: Serialize>(&self, name: &str, data: &T) -> Result<(), StoreError> {
        check_name(name)?;
        let unwritable = |reason: String| StoreError::Unwritable {
            name: name.to_owned(),
            reason,
        };
        let content =
            serde_json::to_vec(&Document { version: VERSION, data }).map_err(|error| unwritable(error.to_string()))?;
        if content.len() as u64 > MAX_DOCUMENT {
            return Err(unwritable(format!("larger than {MAX_DOCUMENT} bytes")));
        }
        let mut queue = self.0.queue();
        queue.last += 1;
        queue.documents.insert(name.to_owned(), content.into());
        drop(queue);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Waits until everything taken so far is on disk, at most a few seconds.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let last = self.0.queue().last;
        let mut progress = self.0.progress.subscribe();
        self.0.flush.notify_one();
        self.0.changed.notify_one();
        let outcome = match timeout(FLUSH_LIMIT, progress.wait_for(|progress| progress.tried >= last)).await {
            Ok(Ok(progress)) => progress.failure.clone(),
            Ok(Err(_)) | Err(_) => Some("the disk does not answer".to_owned()),
        };
        outcome.map_or(Ok(()), |reason| Err(StoreError::Unsaved(reason)))
    }

    fn decode<T: DeserializeOwned>(&self, name: &str, content: &[u8]) -> Result<Option<T>, StoreError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        match serde_json::from_slice::<Version>(content) {
            Ok(Version { version }) if version > VERSION => Err(StoreError::Newer { name: name.to_owned() }),
            _ => match serde_json::from_slice::<Document<T>>(content) {
                Ok(document) => Ok(Some(document.data)),
                // The text of the error can quote the document, which is nobody's business.
                Err(error) => self.set_aside(name, &format!("line {}, column {}", error.line(), error.column())),
            },
        }
    }

    fn set_aside<T>(&self, name: &str, damage: &str) -> Result<Option<T>, StoreError> {
        let path = self.0.path(name);
        let mut names = (1..=MAX_DAMAGED).map(|number| format!("{name}.damaged-{number}"));
        let free = names.find(|aside| !self.0.directory.join(aside).exists());
        let aside = free.ok_or_else(|| io::Error::other("too many damaged versions lie beside it"));
        let moved = aside.and_then(|aside| fs::rename(&path, self.0.directory.join(&aside)).map(|()| aside));
        let aside = moved.map_err(|source| StoreError::Disk {
            name: name.to_owned(),
            source,
        })?;
        warn!(
            document = name,
            damage,
            kept_as = aside,
            "a document is damaged; starting without it"
        );
        Ok(None)
    }
}

impl Writer {
    /// Writes what comes in until cancelled, then what is left.
    pub async fn run(self, cancel: CancellationToken) {
        let mut failures = Failures::default();
        while !cancel.is_cancelled() {
            tokio::select! {
                () = self.0.changed.notified() => {}
                () = cancel.cancelled() => break,
            }
            let mut pause = COALESCE;
            loop {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = self.0.flush.notified() => {}
                    () = cancel.cancelled() => break,
                }
                match failures.note(self.0.write_queued().await) {
                    Some(retry) => pause = retry,
                    None => break,
                }
            }
        }
        failures.note(self.0.write_queued().await);
    }
}

impl Shared {
    /// The queue. A thread that panicked while holding it cannot have left it half changed: each change is one call.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(file_name(name))
    }

    /// Writes every queued document; those that fail stay queued, unless a newer version has come.
    async fn write_queued(&self) -> Result<(), StoreError> {
        let (documents, last) = {
            let queue = self.queue();
            (queue.documents.clone(), queue.last)
        };
        let mut outcome = Ok(());
        for (name, content) in documents {
            match self.write_one(name.clone(), Arc::clone(&content)).await {
                Ok(()) => {
                    let mut queue = self.queue();
                    if queue
                        .documents
                        .get(&name)
                        .is_some_and(|newest| Arc::ptr_eq(newest, &content))
                    {
                        queue.documents.remove(&name);
                    }
                }
                Err(source) => outcome = Err(StoreError::Disk { name, source }),
            }
        }
        let failure = outcome.as_ref().err().map(ToString::to_string);
        self.progress.send_replace(Progress { tried: last, failure });
        outcome
    }

    async fn write_one(&self, name: String, content: Arc<[u8]>) -> io::Result<()> {
        let directory = self.directory.clone();
        let write = move || write_if_different(&directory, &file_name(&name), &content);
        // Joined here and now.
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
    }
}

/// Reports a failing disk once, and once more when it works again.
#[derive(Default)]
struct Failures {
    pause: Option<Duration>,
}

impl Failures {
    /// How long to wait before the next attempt; `None` after a success.
    fn note(&mut self, outcome: Result<(), StoreError>) -> Option<Duration> {
        self.pause = match (outcome, self.pause) {
            (Ok(()), None) => None,
            (Ok(()), Some(_)) => {
                info!("documents can be saved again");
                None
            }
            (Err(error), None) => {
                error!(%error, "a document cannot be saved; we keep it in memory and keep trying");
                Some(RETRY.0)
            }
            (Err(_), Some(pause)) => Some((pause * 2).min(RETRY.1)),
        };
        self.pause
    }
}

/// Reading is free, writing wears out a card.
fn write_if_different(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    match fs::read(directory.join(name)) {
        Ok(present) if present == content => Ok(()),
        _ => file::replace(directory, name, content),
    }
}

fn file_name(name: &str) -> String {
    format!("{name}.json")
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !name.is_empty() && name.len() <= 100 && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(StoreError::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    struct Bench {
        store: Store,
        cancel: CancellationToken,
        task: JoinHandle<()>,
        data: DataDir,
        _parent: tempfile::TempDir,
    }

    fn bench() -> Bench {
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(parent.path().join("data")).unwrap();
        let (store, writer) = Store::open(&data);
        let cancel = CancellationToken::new();
        let task = tokio::spawn(writer.run(cancel.clone()));
        Bench {
            store,
            cancel,
            task,
            data,
            _parent: parent,
        }
    }

    impl Bench {
        fn file(&self, name: &str) -> String {
            fs::read_to_string(self.data.path().join(name)).unwrap()
        }
    }

    #[tokio::test]
    async fn a_document_is_read_back_before_and_after_it_is_on_disk() {
        let bench = bench();
        assert_eq!(bench.store.read::<Vec<u8>>("numbers").unwrap(), None);
        bench.store.write("numbers", &vec![1, 2]).unwrap();
        assert_eq!(bench.store.read::<Vec<u8>>("numbers").unwrap(), Some(vec![1, 2]));
        bench.store.flush().await.unwrap();
        assert_eq!(bench.file("numbers.json"), r#"{"version":1,"data":[1,2]}"#);
        assert!(bench.store.0.queue().documents.is_empty());
        assert_eq!(bench.store.read::<Vec<u8>>("numbers").unwrap(), Some(vec![1, 2]));
    }

    #[tokio::test]
    async fn the_end_writes_what_is_left() {
        let bench = bench();
        for number in 0..100 {
            bench.store.write("number", &number).unwrap();
        }
        bench.cancel.cancel();
        (&mut { bench.task }).await.unwrap();
        let text = fs::read_to_string(bench.data.path().join("number.json")).unwrap();
        assert_eq!(text, r#"{"version":1,"data":99}"#);
    }

    #[tokio::test]
    async fn a_flush_with_nothing_to_write_returns_at_once() {
        bench().store.flush().await.unwrap();
    }

    #[tokio::test]
    async fn a_damaged_document_is_set_aside_and_never_lost() {
        let bench = bench();
        for (number, damaged) in ["{", r#"{"version":1}"#, r#"{"version":1,"data":"text"}"#, "\u{0}"]
            .iter()
            .enumerate()
        {
            fs::write(bench.data.path().join("budget.json"), damaged).unwrap();
            assert_eq!(bench.store.read::<u32>("budget").unwrap(), None);
            assert_eq!(bench.file(&format!("budget.damaged-{}", number + 1)), *damaged);
        }
        assert!(!bench.data.path().join("budget.json").exists());
    }

    #[tokio::test]
    async fn a_document_of_a_newer_version_stays_untouched() {
        let bench = bench();
        let newer = r#"{"version":2,"data":{"other":"form"}}"#;
        fs::write(bench.data.path().join("budget.json"), newer).unwrap();
        assert!(matches!(
            bench.store.read::<u32>("budget"),
            Err(StoreError::Newer { .. })
        ));
        assert_eq!(bench.file("budget.json"), newer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_disk_is_reported_and_the_document_written_once_it_works() {
        let bench = bench();
        // A directory where the file belongs: writing fails for whoever runs the test.
        let obstacle = bench.data.path().join("budget.json");
        fs::create_dir_all(obstacle.join("inside")).unwrap();
        bench.store.write("budget", &1).unwrap();
        let error = bench.store.flush().await.unwrap_err().to_string();
        assert!(error.contains("budget"), "{error}");
        bench.store.write("budget", &2).unwrap();
        assert_eq!(
            bench.store.0.queue().documents.len(),
            1,
            "only the latest version is kept"
        );
        fs::remove_dir_all(&obstacle).unwrap();
        let mut progress = bench.store.0.progress.subscribe();
        progress
            .wait_for(|progress| progress.tried >= 2 && progress.failure.is_none())
            .await
            .unwrap();
        assert_eq!(bench.file("budget.json"), r#"{"version":1,"data":2}"#);
    }

    #[tokio::test]
    async fn names_cannot_leave_the_directory_and_sizes_have_a_limit() {
        let bench = bench();
        for name in ["", "../up", "a/b", "a.b", &"a".repeat(101)] {
            assert!(
                matches!(bench.store.write(name, &1), Err(StoreError::Name(_))),
                "{name}"
            );
            assert!(
                matches!(bench.store.read::<u8>(name), Err(StoreError::Name(_))),
                "{name}"
            );
        }
        let large = "x".repeat(5 << 20);
        assert!(matches!(
            bench.store.write("large", &large),
            Err(StoreError::Unwritable { .. })
        ));
        fs::write(bench.data.path().join("large.json"), large).unwrap();
        assert_eq!(bench.store.read::<String>("large").unwrap(), None);
        assert!(bench.data.path().join("large.damaged-1").exists());
    }

    #[test]
    fn a_failing_disk_is_tried_again_less_and_less_often() {
        let fail = || Err(StoreError::Unsaved("full".into()));
        let mut failures = Failures::default();
        let pauses: Vec<_> = (0..9).map(|_| failures.note(fail()).unwrap().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(failures.note(Ok(())), None);
    }
}
