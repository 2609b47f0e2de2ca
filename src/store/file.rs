//! Writing a file so that after a power cut it is either the old or the new one, whole. Blocks; not for async threads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Readable and writable by the owner alone, from the moment the file exists.
const PRIVATE: u32 = 0o600;

/// Replaces the content of `directory/name`.
pub fn replace(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.new"));
    // One left behind by a power cut may be incomplete; it is never read.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join(name))?;
    // The new name is safe only once the directory is.
    File::open(directory)?.sync_all()
}
