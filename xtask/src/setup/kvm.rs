//! Running on the host's processor, as `--kvm` asks: whether that can work is known before it is tried.

use super::host::Host;
use crate::architecture::Architecture;
use crate::failure::{Result, fail};
use std::io::ErrorKind;

/// Says why a system cannot run on this machine's processor.
pub fn check(host: &Host, own: Option<Architecture>, arch: Architecture) -> Result<()> {
    if arch == Architecture::Aarch64 {
        fail!(
            "--kvm is for x86_64 only: the kernel needs EL2 on aarch64, and KVM keeps that to itself"
        );
    }
    if own != Some(arch) {
        fail!("--kvm runs systems for this machine's own processor, which is not an {arch}");
    }
    let device = host.absolute("/dev/kvm");
    match std::fs::File::options().read(true).write(true).open(device) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => fail!(
            "--kvm: there is no /dev/kvm; load the kernel module kvm_intel or kvm_amd, or leave --kvm out"
        ),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            fail!(
                "--kvm: you may not use /dev/kvm; become a member of its group, or leave --kvm out"
            )
        }
        Err(error) => fail!("--kvm: /dev/kvm cannot be opened: {error}; leave --kvm out"),
    }
    let processor = std::fs::read_to_string(host.absolute("/proc/cpuinfo")).unwrap_or_default();
    let mut flags = (processor.lines()).filter(|line| line.starts_with("flags"));
    if !flags.any(|line| {
        line.split_whitespace()
            .any(|flag| flag == "vmx" || flag == "svm")
    }) {
        fail!(
            "--kvm: this machine's processor offers no virtualization (neither vmx nor svm); leave --kvm out"
        );
    }
    Ok(())
}
