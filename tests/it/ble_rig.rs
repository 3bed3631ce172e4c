//! Runs this binary in the Bluetooth lab: a small virtual machine with BlueZ and virtual controllers.
//!
//! A test of the host boots the lab and starts itself again inside, where it finds `BLE_LAB`. A boot costs 7 to 30 s,
//! so each of them plays several scenes.

use starling::transport::ble::radio::{Radio, RadioEvent, RadioOrder, RadioState};
use starling::transport::ble::system::{SystemConfig, radios_with};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What is behind a scene's name.
pub(crate) type Scene = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// One boot of the lab.
pub(crate) struct Lab {
    /// The test that boots it, with its module.
    pub(crate) test: String,
    /// Virtual controllers: `hci0` and so on.
    pub(crate) controllers: u32,
    /// Who hears whom, as `0-1,1-2`; empty: everybody everybody.
    pub(crate) range: &'static str,
    /// Settings of the lab, by environment.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// Whether what adapters and their host say to each other is written down, for [`trace`].
    pub(crate) trace: bool,
    /// Seconds for all scenes.
    pub(crate) limit: u32,
}

/// One boot at a time: two would only slow each other down.
static BOOTS: Mutex<()> = Mutex::new(());

/// Plays the scenes in the lab: on the host by booting it, in the lab by playing them.
pub(crate) fn play(lab: &Lab, scenes: &[(&str, Scene)]) {
    play_up_to(1, lab, scenes);
}

/// The same, and boots the lab again, up to `boots` times, where its kernel broke down and not Starling.
pub(crate) fn play_up_to(boots: usize, lab: &Lab, scenes: &[(&str, Scene)]) {
    if std::env::var_os("BLE_LAB").is_some() {
        return play_here(scenes);
    }
    let _one = BOOTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let run = match find() {
        Ok(run) => run,
        Err(why) => return say(&format!("Bluetooth lab: {} skipped: {why}", lab.test)),
    };
    for number in 1..=boots {
        match boot(&run, lab) {
            Ending::Well => return,
            Ending::Failed(status) => panic!("{} in the lab: {status}", lab.test),
            Ending::Broken(sign) => {
                say(&format!(
                    "Bluetooth lab: {} not judged, boot {number} of {boots}: the lab itself broke down: {sign}",
                    lab.test
                ));
            }
        }
    }
    // What was not played to its end has not passed.
    panic!("{}: the lab broke down, which tells nothing of Starling", lab.test);
}

/// How one boot ended.
enum Ending {
    Well,
    Failed(ExitStatus),
    /// Its kernel broke down or it never came up: the first line that says so.
    Broken(String),
}

fn boot(run: &Path, lab: &Lab) -> Ending {
    let exe = std::env::current_exe().unwrap();
    let built = exe.parent().and_then(Path::parent).unwrap();
    let kept = std::env::var_os("STARLING_BLE_LOGS").map(PathBuf::from);
    let thrown = tempfile::tempdir().unwrap();
    let logs = kept.as_deref().unwrap_or_else(|| thrown.path());
    let mut command = Command::new(run);
    command.args(["-n", &lab.controllers.to_string(), "-t", &lab.limit.to_string(), "-m", "1024"]);
    command.arg("-d").arg(built).arg("-l").arg(logs);
    if !lab.range.is_empty() {
        command.args(["-r", lab.range]);
    }
    if lab.trace || kept.is_some() {
        command.arg("-T");
    }
    command.arg("--").arg(&exe).args([&lab.test, "--exact", "--nocapture", "--test-threads", "1"]);
    command.envs(lab.settings.iter().copied()).env("BLE_LAB_CACHE", cache());
    command.env("BLE_LAB_PASS_ENV", "STARLING_SCENE STARLING_PROOF STARLING_LOG STARLING_LAB_CPUS");
    let status = command.stdin(Stdio::null()).status().unwrap();
    if status.success() {
        return Ending::Well;
    }
    let read = |name: &str| std::fs::read(logs.join(name)).unwrap_or_default();
    let said = [read("console.log"), read("dmesg.log")].concat();
    match breakdown(&String::from_utf8_lossy(&said)) {
        Some(sign) => Ending::Broken(sign.to_owned()),
        None if status.code() == Some(NO_GUEST) => Ending::Broken("it gave no status".to_owned()),
        None => Ending::Failed(status),
    }
}

/// How the lab ends where its guest never came up or never ended.
const NO_GUEST: i32 = 125;

/// The first line in which a kernel says that it is broken.
fn breakdown(said: &str) -> Option<&str> {
    const SIGNS: [&str; 7] = [
        "kernel BUG at",
        "BUG: kernel",
        "BUG: unable to handle",
        "general protection fault",
        "list_del corruption",
        "list_add corruption",
        "Kernel panic",
    ];
    said.lines().find(|line| SIGNS.iter().any(|sign| line.contains(sign)))
}

/// Where the lab's own program is, once it is set up.
fn find() -> Result<PathBuf, String> {
    let Some(lab) = std::env::var_os("STARLING_BLE_LAB").map(PathBuf::from) else {
        return Err("STARLING_BLE_LAB names no lab; `just ble` plays it".to_owned());
    };
    let run = lab.join("run");
    if !run.exists() {
        return Err(format!("there is no lab at {}", lab.display()));
    }
    if !rustix::process::getuid().is_root() {
        return Err("it needs root".to_owned());
    }
    let set_up = Command::new(lab.join("setup")).arg(cache()).stdin(Stdio::null()).output();
    let set_up = set_up.map_err(|error| error.to_string())?;
    if set_up.status.success() {
        return Ok(run);
    }
    let said = String::from_utf8_lossy(&set_up.stderr);
    Err(format!("it could not be set up: {}", said.lines().last().unwrap_or_default()))
}

/// Where the lab keeps its kernel: beside what is built, unless told otherwise.
fn cache() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let built = exe.ancestors().nth(3).unwrap().join("ble-lab");
    std::env::var_os("BLE_LAB_CACHE").map_or(built, PathBuf::from)
}

/// A line that is seen whether or not the test passes.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

fn play_here(scenes: &[(&str, Scene)]) {
    let only = std::env::var("STARLING_SCENE").unwrap_or_default();
    one_processor();
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let mut failed = Vec::new();
    for (name, scene) in scenes.iter().filter(|(name, _)| name.contains(&only)) {
        let started = Instant::now();
        let played = std::panic::catch_unwind(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(scene());
        });
        let word = if played.is_ok() { "ok" } else { "FAILED" };
        say(&format!("  {word:6} {:6.1} s  {name}", started.elapsed().as_secs_f64()));
        if played.is_err() {
            failed.push(*name);
        }
        air("range all");
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// Where that is asked for, the guest goes on with one processor.
fn one_processor() {
    if std::env::var("STARLING_LAB_CPUS").is_ok_and(|count| count == "1") {
        std::fs::write("/sys/devices/system/cpu/cpu1/online", "0").unwrap();
    }
}

/// The trace so far.
pub(crate) fn trace() -> Vec<u8> {
    // The air writes when it has a quiet moment.
    std::thread::sleep(Duration::from_millis(500));
    std::fs::read("/ctl/hci.btsnoop").unwrap()
}

/// Changes who hears whom: `down 0 1`, `up 0 1`, `range 0-1,1-2`, `range all`.
pub(crate) fn air(order: &str) {
    std::fs::write("/run/air", format!("{order}\n")).unwrap();
}

/// One adapter in a scene.
pub(crate) struct Station {
    pub(crate) radio: Radio,
}

impl Station {
    /// The radio of `hciN`, working.
    pub(crate) async fn on(number: u32, channels: bool) -> Self {
        let radio = radios_with(&[format!("hci{number}")], SystemConfig { channels }).remove(0);
        let mut station = Self { radio };
        station.state(&RadioState::On).await;
        station
    }

    /// Waits until the radio is in this state.
    pub(crate) async fn state(&mut self, wanted: &RadioState) {
        let told = |event| match event {
            RadioEvent::State(state) => (state == *wanted).then_some(()),
            _ => None,
        };
        self.until(40, told).await;
    }

    pub(crate) async fn order(&self, order: RadioOrder) {
        self.radio.orders.send(order).await.unwrap();
    }

    /// The first event of which `pick` makes something; others are passed over.
    pub(crate) async fn until<T>(
        &mut self,
        seconds: u64,
        mut pick: impl FnMut(RadioEvent) -> Option<T>,
    ) -> T {
        let mut passed = Vec::new();
        let found = tokio::time::timeout(Duration::from_secs(seconds), async {
            loop {
                let event = self.radio.events.recv().await.unwrap();
                if let Some(found) = pick(event.clone()) {
                    return found;
                }
                passed.push(event);
            }
        });
        let Ok(found) = found.await else {
            let last = &passed[passed.len().saturating_sub(8)..];
            panic!("{} did not tell it in {seconds} s; last: {last:?}", self.radio.name);
        };
        found
    }

    /// Ends the radio and waits until it has gone.
    pub(crate) async fn off(self) {
        let Radio { orders, mut events, .. } = self.radio;
        drop(orders);
        while events.recv().await.is_some() {}
    }
}

#[test]
fn a_kernel_that_broke_down_is_told_from_a_scene_that_failed() {
    let broken = "[    9.1] Bluetooth: hci0: Opcode 0x2006 failed: -22\n[   10.2] kernel BUG at lib/list_debug.c:62!\n";
    assert!(breakdown(broken).is_some_and(|line| line.contains("list_debug.c")));
    assert_eq!(breakdown("[    9.1] Bluetooth: hci0: Opcode 0x2006 failed: -22\n"), None);
}
