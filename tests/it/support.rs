//! Child processes and mounts for tests.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A copy of this binary that runs one test as the child it contains.
pub(crate) struct Part {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Part {
    /// Starts the test `name` (with its module) as a child; it finds `dir` in its role.
    pub(crate) fn start(name: &str, dir: &Path) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args([name, "--exact", "--nocapture", "--test-threads", "1"])
            .env(crate::ROLE, dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// What follows `start` on the next line that has it; `None` when the child has ended. The
    /// test harness writes the test's name before the child's first line.
    pub(crate) fn line(&mut self, start: &str) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return None;
            }
            if let Some((_, rest)) = line.trim_end().split_once(start) {
                return Some(rest.to_owned());
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Kills the child without any warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The directory of the role that this process plays, where it is a child.
pub(crate) fn role() -> Option<PathBuf> {
    std::env::var_os(crate::ROLE).map(PathBuf::from)
}

/// Runs a system tool.
pub(crate) fn run(program: &str, args: &[&str]) -> bool {
    let done = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// An ext4 file system in a file, mounted while this lives.
pub(crate) struct Disk {
    pub(crate) image: PathBuf,
    pub(crate) mount: PathBuf,
}

impl Disk {
    /// A new file system of `megabytes`, or `None` (with one line that says so) where this user
    /// may not mount.
    pub(crate) fn new(dir: &Path, megabytes: u64) -> Option<Self> {
        let image = dir.join("image");
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let path = image.to_str().unwrap();
        let made = rustix::process::getuid().is_root() && run("mkfs.ext4", &["-q", "-F", path]);
        if !made {
            eprintln!("skipped: mounting needs root and mkfs.ext4");
            return None;
        }
        Self::mount(&image, &dir.join("mount"), "loop")
    }

    /// Mounts an image, with one line where that is not possible here.
    pub(crate) fn mount(image: &Path, mount: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(mount).unwrap();
        let (from, to) = (image.to_str().unwrap(), mount.to_str().unwrap());
        if !run("mount", &["-o", options, from, to]) {
            eprintln!("skipped: loop mounts do not work here");
            return None;
        }
        Some(Self { image: image.to_path_buf(), mount: mount.to_path_buf() })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", self.mount.to_str().unwrap_or_default()]);
    }
}
