//! Giving up root. The Supervisor makes `/data` for root and writes the options so that root alone can read them, so the
//! add-on's container starts as root; the bridge needs none of it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Who the bridge is instead: the user that our image runs as everywhere else.
const NOBODY: u32 = 1000;

/// Starts this program afresh as an ordinary user who owns the data directory. Returns when it is no root, or with the
/// reason why it stays so.
pub fn step_down(data: &Path) -> io::Result<()> {
    if !is_root() {
        return Ok(());
    }
    give_away(data)?;
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // `exec` keeps the process and its number, and drops all groups and capabilities of root on the way.
    Err(Command::new(std::env::current_exe()?)
        .args(arguments.iter().skip(1))
        .uid(NOBODY)
        .gid(NOBODY)
        .exec())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Hands a file, or a directory with all in it, over to [`NOBODY`]. Links are not followed.
fn give_away(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if (metadata.uid(), metadata.gid()) != (NOBODY, NOBODY) {
        lchown(path, Some(NOBODY), Some(NOBODY))?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}
