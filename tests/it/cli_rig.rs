//! A rig for tests of the command line: the built program, and data directories that go away.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// One person's data directory.
pub(crate) struct Person {
    dir: tempfile::TempDir,
    data: PathBuf,
    namespace: Option<String>,
    passphrase: Option<String>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no command is ended by a signal"),
            stdout: String::from_utf8(output.stdout).expect("the program writes UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("the program writes UTF-8"),
        }
    }

    /// Every line of standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// The one JSON object.
    #[track_caller]
    pub(crate) fn one(&self) -> Value {
        let mut values = self.json();
        assert_eq!(values.len(), 1, "{self:?}");
        values.remove(0)
    }

    /// Asserts the exit code and that the complaint says each of `words`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

impl Person {
    /// An empty data directory.
    pub(crate) fn nobody() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = dir.path().join("data");
        Self { dir, data, namespace: None, passphrase: None }
    }

    /// A data directory with an identity.
    pub(crate) fn new(name: &str) -> Self {
        Self::nobody().named(name)
    }

    /// Makes the identity.
    pub(crate) fn named(self, name: &str) -> Self {
        self.run(&["init", "--name", name, "--json"]).json();
        self
    }

    /// Lives in this network namespace.
    pub(crate) fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Keeps everything in `data` from now on.
    pub(crate) fn moved(mut self, data: PathBuf) -> Self {
        self.data = data;
        self
    }

    pub(crate) fn with_passphrase(mut self, passphrase: &str) -> Self {
        self.passphrase = Some(passphrase.to_owned());
        self
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.data.clone()
    }

    /// The person's home, with the data directory unless that was moved.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_starling");
        let mut command = Command::new(if self.namespace.is_some() { "ip" } else { program });
        command.env_clear().env("HOME", self.dir.path()).env("STARLING_DATA_DIR", self.path());
        if let Some(namespace) = &self.namespace {
            let path = std::env::var_os("PATH").unwrap_or_default();
            command.env("PATH", path).args(["netns", "exec", namespace, program]);
        }
        if let Some(passphrase) = &self.passphrase {
            command.env("STARLING_PASSPHRASE", passphrase);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.pipe(args, b"")
    }

    /// Runs with `input` on standard input.
    pub(crate) fn pipe(&self, args: &[&str], input: &[u8]) -> Done {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A command that reads nothing closes the pipe.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("the program ends");
        writer.join().expect("the writer does not panic");
        Done::new(output)
    }

    /// Starts the node and waits until it is ready. It finds no others by itself: tests run side by side.
    pub(crate) fn start(&self, args: &[&str]) -> Node {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let beacon_port = free.expect("a free port").port().to_string();
        self.launch(&[&["--no-mdns", "--beacon-port", &beacon_port], args].concat())
    }

    /// Starts the node with these arguments and waits until it is ready. Where they name no Bluetooth adapter it uses
    /// none: that of this machine reaches others.
    pub(crate) fn launch(&self, args: &[&str]) -> Node {
        let log = std::env::var("STARLING_LOG").ok();
        let mut child = self
            .command()
            .envs(log.map(|log| ("STARLING_LOG", log)))
            .args(["run", "--json"])
            .args((!args.contains(&"--ble-adapter")).then_some("--no-ble"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut line).expect("the node says that it is ready");
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no ready line: {line:?}"));
        Node { child, ready }
    }

    /// Their link.
    pub(crate) fn link(&self) -> String {
        self.run(&["id", "--json"]).one()["link"].as_str().expect("an id has a link").to_owned()
    }
}

/// A running node; dropped, it is killed.
pub(crate) struct Node {
    child: Child,
    pub(crate) ready: Value,
}

impl Node {
    /// Where it listens on the loopback.
    pub(crate) fn address(&self) -> String {
        let addresses = self.ready["addresses"].as_array().expect("a list");
        let v4 = addresses.iter().filter_map(Value::as_str).find(|a| !a.starts_with('['));
        let (_, port) = v4.expect("an IPv4 address").rsplit_once(':').expect("a port");
        format!("127.0.0.1:{port}")
    }

    pub(crate) fn port(&self) -> u16 {
        self.ready["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it is our child");
    }

    /// Sends SIGINT and returns the exit code.
    pub(crate) fn interrupt(mut self) -> i32 {
        self.signal(rustix::process::Signal::INT);
        self.child.wait().expect("it ends").code().expect("it ends by itself")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks every 50 ms, for up to 90 s, until `look` finds something: a receipt to a neighbour who did not prove
/// to be the sender may take a minute (PROTOCOL.md section 9).
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(90);
    while std::time::Instant::now() < deadline {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}
