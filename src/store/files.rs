//! Small files that are replaced whole, and the directory they stand in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes `dir`, and what is missing above it, and lets only its owner in. Every name that is made is durable.
pub(super) fn make_private_dir(dir: &Path) -> io::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).collect();
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_dir(parent.unwrap_or_else(|| Path::new(".")))?;
    }
    Ok(())
}

/// Opens `path` for reading and writing, made if it is missing, for its owner alone.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes names that were created, renamed or removed in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Notes that what the system has in memory of some files here may differ from what is on the disk: a
/// failed `fdatasync` leaves it so, and says it once. The note itself needs no sync: where the machine
/// forgets it, it forgets the other too. Best effort; a disk that takes no note is found out again.
pub(super) fn raise_flag(dir: &Path, name: &str) {
    if let Err(error) = open_private(&dir.join(name)) {
        tracing::warn!(%error, "a failure of the disk could not be noted");
    }
}

/// Whether such a note stands.
pub(super) fn is_flagged(dir: &Path, name: &str) -> bool {
    dir.join(name).exists()
}

/// Takes such a note away.
pub(super) fn lower_flag(dir: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(dir.join(name)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Asks the system to read `path` from the disk next time, where it knows how to.
pub(super) fn forget_cached(path: &Path) {
    #[cfg(target_os = "linux")]
    if let Ok(file) = File::open(path) {
        // It is advice; what is done after a failure does not rest on it alone.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = path;
}

/// Replaces `name` in `dir` by `bytes`: after a crash the old file stands or the new one, whole.
///
/// What stood there before is overwritten once the new file is durable, since it held keys; on a
/// disk that writes elsewhere than it read, a remnant may stay (PROTOCOL.md section 11).
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = dir.join(name);
    let fresh = dir.join(format!("{name}.new"));
    let mut file = open_private(&fresh)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let old = OpenOptions::new().write(true).open(&path).ok();
    fs::rename(&fresh, &path)?;
    sync_dir(dir)?;
    if let Some(old) = old {
        // The name is already the new file's: nothing depends on this.
        drop(blot(&old));
    }
    Ok(())
}

/// Overwrites and removes `name` in `dir`; a missing file is fine.
pub(super) fn remove(dir: &Path, name: &str) -> io::Result<()> {
    let path = dir.join(name);
    match OpenOptions::new().write(true).open(&path) {
        Ok(file) => blot(&file)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    }
    fs::remove_file(&path)?;
    sync_dir(dir)
}

fn blot(file: &File) -> io::Result<()> {
    let len = file.metadata()?.len();
    file.write_all_at(&vec![0; usize::try_from(len).unwrap_or(0)], 0)?;
    file.sync_data()
}

/// Bytes that the files below `dir` take on the disk.
pub(super) fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Bytes that this process may still write to the disk of `dir`.
pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_private_and_leaves_no_second_name() {
        let dir = tempfile::tempdir().unwrap();
        make_private_dir(dir.path()).unwrap();
        replace(dir.path(), "thing", b"first and long").unwrap();
        replace(dir.path(), "thing", b"second").unwrap();
        assert_eq!(fs::read(dir.path().join("thing")).unwrap(), b"second");
        let mode = fs::metadata(dir.path().join("thing")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_replaced_file_does_not_leave_its_old_content_behind() {
        let dir = tempfile::tempdir().unwrap();
        replace(dir.path(), "thing", b"secret").unwrap();
        let old = File::open(dir.path().join("thing")).unwrap();
        replace(dir.path(), "thing", b"public").unwrap();
        let mut bytes = [1; 6];
        old.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [0; 6]);
    }

    #[test]
    fn a_directory_is_made_with_all_that_is_missing_above_it_and_again_without_harm() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        make_private_dir(&deep).unwrap();
        make_private_dir(&deep).unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_note_stands_until_it_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        raise_flag(dir.path(), "note");
        raise_flag(dir.path(), "note");
        assert!(is_flagged(dir.path(), "note"));
        lower_flag(dir.path(), "note").unwrap();
        lower_flag(dir.path(), "note").unwrap();
        assert!(!is_flagged(dir.path(), "note"));
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        remove(dir.path(), "thing").unwrap();
        replace(dir.path(), "thing", b"x").unwrap();
        remove(dir.path(), "thing").unwrap();
        assert!(!dir.path().join("thing").exists());
    }
}
