//! The capture of a port as a file on the host: whole frames, those that the port sent and got.

use super::{Outcome, Report, run_cases, xtask};
use crate::architecture::Architecture;
use crate::capture::frames;
use crate::failure::{Context, Result, fail};
use crate::temporary::Temporary;
use crate::workspace::Workspace;
use std::process::Stdio;

/// A port that announces itself, and gets what others send to everybody.
const CASES: [(&str, &str); 1] = [("network", "bystander")];

pub(super) fn run(
    workspace: &Workspace,
    report: &mut Report,
    archs: &[Architecture],
    selected: &dyn Fn(&str) -> bool,
) {
    run_cases(report, archs, selected, "capture", &CASES, |port, arch| {
        capture(workspace, port, arch).map(|()| Outcome::Passed)
    });
}

fn capture(workspace: &Workspace, port: &str, arch: Architecture) -> Result<()> {
    let folder = Temporary::new("capture")?;
    let path = folder.path().join("port.pcap");
    let output = xtask(workspace)?
        .args(["run", "network", "--arch", arch.name(), "--timeout", "600"])
        .args(["--capture", &format!("{port}={}", path.display())])
        .stdin(Stdio::null())
        .output()
        .context(|| "running xtask")?;
    let shown = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || shown.contains("pcap") || !shown.contains("came back") {
        let said = String::from_utf8_lossy(&output.stderr);
        fail!("xtask shows:\n{shown}\nand says:\n{said}");
    }
    let file = std::fs::read(&path).context(|| path.display())?;
    let Some(frames) = frames(&file) else {
        fail!("the file is no capture");
    };
    // Ethernet: target, source, kind. ARP (RFC 826): what is asked for is at the end.
    let kind = |frame: &[u8]| frame.get(12..14).map(<[u8]>::to_vec);
    let announces = |frame: &&[u8]| kind(frame) == Some(vec![0x88, 0xb5]);
    let asks = |frame: &&[u8]| {
        kind(frame) == Some(vec![0x08, 0x06]) && frame.get(38..42) == Some(&[10, 0, 0, 1][..])
    };
    if let Some(frame) = frames.iter().find(|frame| frame.first() != Some(&0xff)) {
        fail!("a frame for somebody else came: {frame:02x?}");
    }
    if !frames.iter().any(announces) || !frames.iter().any(asks) {
        fail!("the port's own announcement or the client's question is missing: {frames:02x?}");
    }
    Ok(())
}
