//! Free space, permissions and the kind of file system for the ledger and the tracks.

use std::path::{Path, PathBuf};

use super::Check;
use crate::exit_codes;
use crate::ledger::local_folder;
use crate::project::{Project, seen_from_here};

/// Even the ledger of a small run needs more space than this.
const LEAST_BYTES: u64 = 16 * 1024 * 1024;
/// Less free space than this causes a warning. The two tracks of a job, each with its mix, take about 10 MiB as MP3 and ten times
/// as much as WAV.
const ENOUGH_BYTES: u64 = 1024 * 1024 * 1024;

/// The hint if a file has the path of the output directory.
pub(crate) const IN_THE_WAY: &str =
    "move that file away, or set another directory with `output: {dir: …}`";

/// Checks the ledger's folder and the output folder.
pub(super) fn check(project: Option<&Project>, ledger: &Path) -> Vec<Check> {
    let project_dir = project.map_or(Path::new("."), |project| &project.plan.project_dir);
    let folder = local_folder(ledger, project_dir);
    let mut checks = vec![one(
        "the ledger's folder",
        &folder,
        true,
        "correct its permissions, or move the ledger and name its new path with --ledger",
    )];
    if let Some(project) = project {
        checks.push(one(
            "the output directory",
            project.plan.output.dir(),
            false,
            "correct its permissions, or set another with `output: {dir: …}`",
        ));
    }
    checks
}

/// Returns the free space and the space that a run needs, if even a small run does not fit: `5.0 MiB is free, and a run needs at
/// least 16.0 MiB`. The folder need not exist yet.
pub(crate) fn too_little_space(folder: &Path) -> Option<String> {
    match free_bytes(&nearest(folder))? {
        bytes @ ..LEAST_BYTES => Some(format!(
            "{} is free, and a run needs at least {}",
            size(bytes),
            size(LEAST_BYTES)
        )),
        _ => None,
    }
}

/// Returns the file that has the path of a folder, or of one of its parents.
pub(crate) fn file_in_the_way(folder: &Path) -> Option<PathBuf> {
    let there = nearest(folder);
    let facts = there.metadata().ok()?;
    (!facts.is_dir()).then_some(there)
}

fn one(what: &str, folder: &Path, is_ledger: bool, mend: &str) -> Check {
    let shown = seen_from_here(folder).display().to_string();
    let there = nearest(folder);
    if let Some(file) = file_in_the_way(folder) {
        let file = seen_from_here(&file).display().to_string();
        let found = format!("{what} {shown} can't be made: {file} is not a directory");
        let mend = match is_ledger {
            true => "move that file away, or name another ledger with --ledger",
            false => IN_THE_WAY,
        };
        return Check::wrong("disk", exit_codes::NOT_WRITTEN, found, mend);
    }
    if let Err(error) = tempfile::tempfile_in(&there) {
        let found = format!("cannot write to {what} {shown}: {error}");
        return Check::wrong("disk", exit_codes::NOT_WRITTEN, found, mend);
    }
    let free = free_bytes(&there);
    let note = free.map_or_else(String::new, |bytes| format!(", {} free", size(bytes)));
    let found = format!("{what} {shown} is writable{note}");
    match free {
        Some(..LEAST_BYTES) => {
            let least = format!(
                "free disk space: a run needs at least {}",
                size(LEAST_BYTES)
            );
            return Check::wrong("disk", exit_codes::NOT_WRITTEN, found, &least);
        }
        Some(..ENOUGH_BYTES) => {
            return Check::doubtful("disk", found, "free disk space: tracks are large");
        }
        _ => {}
    }
    match shared_file_system(&there) {
        Some(kind) if is_ledger => Check::doubtful(
            "disk",
            format!("{found}; it is on {kind}, where locks and power loss may damage the ledger"),
            "move the ledger to a local disk, and name its new path with --ledger PATH",
        ),
        _ => Check::fine("disk", found),
    }
}

/// The folder itself, or its nearest existing parent; a run creates the rest. The result may be a file.
fn nearest(folder: &Path) -> PathBuf {
    let there = folder
        .ancestors()
        .find(|above| above.symlink_metadata().is_ok());
    match there {
        Some(above) if !above.as_os_str().is_empty() => above.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let steps = (bytes.max(1).ilog2() / 10).min(4);
    if steps == 0 {
        return format!("{bytes} bytes");
    }
    let number = bytes as f64
        / f64::from(1_u32 << (10 * steps.min(3)))
        / if steps == 4 { 1024.0 } else { 1.0 };
    format!("{number:.1} {}", UNITS[steps as usize])
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// The name of a file system that is shared with other machines; none for any other.
#[cfg(target_os = "linux")]
fn shared_file_system(folder: &Path) -> Option<&'static str> {
    // The numbers come from statfs(2) and the kernel's magic.h.
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    Some(match kind as u32 {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x6573_5546 => "FUSE",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x0116_1970 => "GFS2",
        _ => return None,
    })
}

#[cfg(not(target_os = "linux"))]
fn shared_file_system(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed"
)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_the_largest_unit_that_fits() {
        let sizes = [0, 1023, 1024, 1536, 5 << 20, 3 << 30, 7 << 40, u64::MAX].map(size);
        assert_eq!(
            sizes,
            [
                "0 bytes",
                "1023 bytes",
                "1.0 KiB",
                "1.5 KiB",
                "5.0 MiB",
                "3.0 GiB",
                "7.0 TiB",
                "16777216.0 TiB"
            ]
        );
    }

    #[test]
    fn the_nearest_existing_folder_is_checked() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(nearest(&scratch.path().join("a/b/c")), scratch.path());
        assert_eq!(nearest(Path::new("nowhere/at/all")), Path::new("."));
    }
}
