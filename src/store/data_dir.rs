//! The data directory: made for us alone, proven writable, and used by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

/// The file whose lock a running process holds; it says which process that is.
const LOCK_FILE: &str = "leapmotor2mqtt.lock";

/// The data directory of this process. Nobody else can open it until this value is dropped or the process ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made, read or written.
    #[error("the data directory {path} cannot be used: {source}")]
    Unusable {
        /// Which directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Another process uses it. Two bridges on one account would sign each other out.
    #[error("the data directory {path} is in use by another instance (process {pid}); stop that one first")]
    InUse {
        /// Which directory.
        path: String,
        /// The number of that process, or `unknown`.
        pid: String,
    },
}

impl DataDir {
    /// Makes the directory if needed, readable by its owner alone, and takes its lock.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        let shown = path.display().to_string();
        match lock(&path) {
            Ok(Some(lock)) => Ok(Self { path, _lock: lock }),
            Ok(None) => Err(DataDirError::InUse {
                pid: holder(&path.join(LOCK_FILE)),
                path: shown,
            }),
            Err(source) => Err(DataDirError::Unusable { path: shown, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The locked file with our number in it, which also proves that we can write; `None` when another process has it.
fn lock(directory: &Path) -> io::Result<Option<File>> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(directory.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())?;
    file.sync_all()?;
    // The lock file may be writable in a directory where we cannot make files.
    super::file::replace(directory, ".writable", b"")?;
    fs::remove_file(directory.join(".writable"))?;
    Ok(Some(file))
}

fn holder(lock_file: &Path) -> String {
    let mut text = String::new();
    let read = File::open(lock_file).and_then(|file| file.take(20).read_to_string(&mut text));
    match text.trim() {
        pid if read.is_ok() && !pid.is_empty() => pid.to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_directory_belongs_to_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(parent.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(data.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_dir(data.path()).unwrap().count(),
            1,
            "only the lock file stays"
        );
    }

    #[test]
    fn a_second_instance_is_refused_with_the_number_of_the_first() {
        let parent = tempfile::tempdir().unwrap();
        let first = DataDir::open(parent.path()).unwrap();
        let refused = DataDir::open(parent.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", process::id())), "{refused}");
        drop(first);
        DataDir::open(parent.path()).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("file"), "").unwrap();
        let refused = DataDir::open(parent.path().join("file/data")).unwrap_err();
        assert!(matches!(refused, DataDirError::Unusable { .. }));
        assert!(refused.to_string().contains("file/data"), "{refused}");
    }
}
