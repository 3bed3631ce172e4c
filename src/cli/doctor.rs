//! `starling doctor`: what may keep this node from working, and what to do.

use super::status::adapter_state;
use super::{App, holder};
use rustix::fs::statvfs;
use serde::Serialize;
use starling::api::types::{Adapter, Status};
use starling::config::LOCK_PATIENCE;
use starling::home;
use starling::t;
use starling::transport::ble::radio::{RadioEvent, RadioState};
use starling::transport::ble::{self, AdapterStatus};
use starling::transport::lan::{Diagnostics, LanConfig, diagnose};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Less free space than this is too little, in bytes: the bag's quota.
const MIN_FREE: u64 = 256 * 1024 * 1024;
/// How often a held directory is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long an adapter may take to say how it is.
const RADIO_PATIENCE: Duration = Duration::from_secs(3);
/// 2024-01-01: no device that runs this was made before.
const EARLIEST: u64 = 1_704_067_200;
/// 2036-01-01.
const LATEST: u64 = 2_082_758_400;

/// Check the clock, the disk, permissions, interfaces, multicast and Bluetooth, and say what to do.
///
/// The exit code is 1 where a check failed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// One finding.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    ok: bool,
    detail: String,
    advice: String,
}

impl Check {
    fn new(check: &'static str, detail: String, problem: Option<String>) -> Self {
        Self { check, ok: problem.is_none(), detail, advice: problem.unwrap_or_default() }
    }

    /// Nothing that keeps the node from working, and better otherwise.
    fn advised(check: &'static str, detail: String, advice: String) -> Self {
        Self { check, ok: true, detail, advice }
    }
}

pub(super) async fn run(app: &App, _: Args) -> anyhow::Result<()> {
    let path = app.data.path().to_owned();
    let mut checks = vec![clock(), disk(&path), permissions(&path), identity(app)];
    let network = tokio::task::spawn_blocking(|| diagnose(&LanConfig::default())).await?;
    checks.extend([interfaces(&network), multicast(&network), loopback(&network)]);
    checks.push(bluetooth(app).await);
    checks.extend(address(&ble::system::adapters(), ble::system::privacy()));
    checks.push(node(app).await);
    let failed = checks.iter().filter(|check| !check.ok).count();
    for check in &checks {
        app.out.value(check, || describe(check))?;
    }
    anyhow::ensure!(failed == 0, t!("doctor-failed", count = failed));
    app.out.line(&t!("doctor-well"))
}

fn describe(check: &Check) -> String {
    let mark = if check.ok { t!("doctor-ok") } else { t!("doctor-bad") };
    let line = format!("{mark:<4} {:<12} {}", check.check, check.detail);
    if check.advice.is_empty() { line } else { format!("{line}\n     -> {}", check.advice) }
}

fn clock() -> Check {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let shown = starling::api::types::rfc3339(mesh_core::Wall(seconds));
    let wrong = !(EARLIEST..LATEST).contains(&seconds);
    Check::new("clock", shown, wrong.then(|| t!("doctor-clock")))
}

fn disk(path: &Path) -> Check {
    let there = existing(path);
    match statvfs(&there) {
        Ok(stats) => {
            let free = stats.f_bavail.saturating_mul(stats.f_frsize);
            let needed = super::status::bytes(MIN_FREE);
            let detail = t!("doctor-disk-free", free = super::status::bytes(free));
            Check::new("disk", detail, (free < MIN_FREE).then(|| t!("doctor-disk", needed = needed)))
        }
        Err(error) => {
            let advice = t!("doctor-directory", path = there.display().to_string());
            Check::new("disk", error.to_string(), Some(advice))
        }
    }
}

/// The nearest directory at or above `path` that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn permissions(path: &Path) -> Check {
    let shown = path.display().to_string();
    let there = existing(path);
    if rustix::fs::access(&there, rustix::fs::Access::WRITE_OK).is_err() {
        return Check::new("permissions", shown.clone(), Some(t!("doctor-read-only", path = shown)));
    }
    #[cfg(unix)]
    if there == path {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map(|data| data.permissions().mode() & 0o777);
        let open = mode.as_ref().is_ok_and(|mode| mode & 0o077 != 0);
        let advice = open.then(|| t!("doctor-mode", path = shown.as_str()));
        let detail = format!("{shown} ({:03o})", mode.unwrap_or_default());
        return Check::new("permissions", detail, advice);
    }
    Check::new("permissions", shown, None)
}

fn identity(app: &App) -> Check {
    if home::exists(&app.data) {
        Check::new("identity", t!("doctor-identity-there"), None)
    } else {
        Check::new("identity", t!("doctor-identity-none"), Some(t!("doctor-identity")))
    }
}

fn interfaces(network: &Diagnostics) -> Check {
    let up: Vec<String> = network
        .interfaces
        .iter()
        .filter(|interface| !interface.loopback)
        .map(|interface| format!("{} {}", interface.name, interface.address))
        .collect();
    if up.is_empty() {
        return Check::new("interfaces", t!("doctor-interfaces-none"), Some(t!("doctor-interfaces")));
    }
    Check::new("interfaces", up.join(", "), None)
}

fn multicast(network: &Diagnostics) -> Check {
    if network.can_discover() {
        return Check::new("multicast", t!("doctor-works"), None);
    }
    let problems = network.interfaces.iter().filter_map(|interface| interface.multicast_problem.clone());
    let detail = problems.collect::<Vec<_>>().join("; ");
    let detail = if detail.is_empty() { t!("doctor-interfaces-none") } else { detail };
    Check::new("multicast", detail, Some(t!("doctor-multicast")))
}

fn loopback(network: &Diagnostics) -> Check {
    match &network.beacon_problem {
        None => Check::new("loopback", t!("doctor-works"), None),
        Some(problem) => Check::new("loopback", problem.clone(), Some(t!("doctor-loopback"))),
    }
}

/// A machine without Bluetooth is no fault; an adapter that is there and does not work is one.
async fn bluetooth(app: &App) -> Check {
    if !ble::system::SUPPORTED {
        return Check::new("bluetooth", t!("doctor-bluetooth-not-here"), None);
    }
    let adapters = match app.client().running().await {
        Some(_) => used(app).await,
        None => looked_for().await,
    };
    if adapters.is_empty() {
        return Check::new("bluetooth", t!("doctor-bluetooth-unused"), None);
    }
    let there: Vec<&Adapter> = adapters.iter().filter(|adapter| adapter.state != "missing").collect();
    if there.is_empty() {
        return Check::new("bluetooth", t!("doctor-bluetooth-none"), None);
    }
    let words = there.iter().map(|adapter| format!("{} {}", adapter.name, adapter_state(adapter)));
    let advice = there.iter().find_map(|adapter| match adapter.state.as_str() {
        "off" => Some(t!("doctor-bluetooth-off")),
        "no_service" => Some(t!("doctor-bluetooth-no-service")),
        "denied" => Some(t!("doctor-bluetooth-denied")),
        "broken" => Some(t!("doctor-bluetooth-broken")),
        _ => None,
    });
    Check::new("bluetooth", words.collect::<Vec<_>>().join(", "), advice)
}

/// Whether the adapters' addresses change. Most systems leave them as they are, and all works without.
fn address(adapters: &[String], privacy: Option<bool>) -> Option<Check> {
    let changes = privacy.filter(|_| ble::system::SUPPORTED && !adapters.is_empty())?;
    Some(match changes {
        true => Check::new("address", t!("doctor-address-changes"), None),
        false => Check::advised("address", t!("doctor-address-stays"), t!("doctor-address")),
    })
}

/// The adapters of the running node.
async fn used(app: &App) -> Vec<Adapter> {
    let Ok(session) = app.client().session().await else { return Vec::new() };
    let status = session.get::<Status>(&["status"], &[]).await;
    session.close().await;
    status.map(|status| status.bluetooth).unwrap_or_default()
}

/// The adapters of this machine, looked at for a moment without saying or hearing anything.
async fn looked_for() -> Vec<Adapter> {
    let looks = ble::radios(&[]).into_iter().map(async |mut radio| {
        let first = tokio::time::timeout(RADIO_PATIENCE, radio.events.recv()).await;
        let state = match first {
            Ok(Some(RadioEvent::State(state))) => state,
            _ => RadioState::Starting,
        };
        let status = AdapterStatus { name: radio.name.clone(), state, ..AdapterStatus::default() };
        Adapter::from(&status)
    });
    futures::future::join_all(looks).await
}

/// A node that does not run is no fault: messages wait. One that holds everything and does not answer is.
async fn node(app: &App) -> Check {
    if app.client().running().await.is_some() {
        return Check::new("node", t!("doctor-node-runs"), None);
    }
    // Another command ends within seconds; whoever is still there then stands still.
    let end = Instant::now() + LOCK_PATIENCE;
    while home::is_held(&app.data) {
        if Instant::now() >= end {
            let holder = holder::words(home::holder(&app.data));
            let advice = t!("doctor-node-stuck", holder = holder.as_str());
            return Check::new("node", t!("doctor-node-silent", holder = holder), Some(advice));
        }
        tokio::time::sleep(LOOK).await;
    }
    Check::new("node", t!("not-running"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "ble", target_os = "linux"))]
    #[test]
    fn an_address_that_stays_is_told_and_is_no_failure_and_without_an_adapter_there_is_nothing_to_tell() {
        let there = ["hci0".to_owned()];
        let stays = address(&there, Some(false)).expect("there is an adapter");
        assert!(stays.ok && stays.advice.contains("Privacy = device"), "{stays:?}");
        assert!(address(&there, Some(true)).is_some_and(|check| check.ok && check.advice.is_empty()));
        assert!(address(&[], Some(false)).is_none());
        assert!(address(&there, None).is_none());
    }
}
