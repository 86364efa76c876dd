//! Setting up made-up machines: folders with scripts in place of their programs, which write down how
//! they were called.

use super::host::Host;
use super::kvm;
use super::packages::need;
use super::rust::Core;
use super::tools::{BOCHS, GDB, ISO, OVMF, QEMU_AARCH64, Tool};
use crate::architecture::Architecture;
use crate::temporary::Temporary;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const DEBIAN: &str = "ID=debian\n";

/// Two tools that the machines lack.
const LACKING: [Tool; 2] = [QEMU_AARCH64, GDB];

/// Makes what they lack.
const BRING_THEM: &str = ": > ${0%/*}/qemu-system-aarch64; : > ${0%/*}/gdb-multiarch";

/// Held while scripts are written and while they run: a child of another test that is just being
/// started still has open whatever is being written, and a program that is open cannot be run.
static SCRIPTS: Mutex<()> = Mutex::new(());

fn scripts() -> MutexGuard<'static, ()> {
    SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Machine {
    folder: Temporary,
    /// Whether somebody can be asked for a password.
    terminal: bool,
}

impl Machine {
    fn new(os_release: &str) -> Self {
        let machine = Self {
            folder: Temporary::new("host").unwrap(),
            terminal: false,
        };
        machine.file("etc/os-release", os_release);
        machine.file("log", "");
        machine.file("bin/gcc", "");
        symlink("/usr/bin/env", machine.path("bin/env")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &str) {
        let _alone = scripts();
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program that writes down how it was called and then does `script`.
    fn program(self, name: &str, script: &str) -> Self {
        let log = "echo ${0##*/} $* >> ${0%/*}/../log";
        self.file(
            &format!("bin/{name}"),
            &format!("#!/bin/sh\n{log}\n{script}\n"),
        );
        self
    }

    fn user(self, id: u32) -> Self {
        self.file("bin/id", &format!("#!/bin/sh\necho {id}\n"));
        self
    }

    /// A sudo that lets its user do everything at once, or not without a password.
    fn sudo(self, needs_password: bool) -> Self {
        let refuse = if needs_password { "exit 1" } else { "shift" };
        self.program(
            "sudo",
            &format!("if [ $1 = -n ]; then {refuse}; fi\n\"$@\""),
        )
    }

    fn at_a_terminal(self) -> Self {
        Self {
            terminal: true,
            ..self
        }
    }

    fn host(&self) -> Host {
        Host::new(
            self.folder.path().into(),
            vec![self.path("bin")],
            self.terminal,
        )
    }

    /// What asking for these tools gives.
    fn need(&self, tools: &[Tool]) -> Result<(), String> {
        let _alone = scripts();
        need(&self.host(), tools).map_err(|failure| failure.to_string())
    }

    /// What asking for the standard library gives.
    fn core(&self, sysroot: &Path, arch: Architecture) -> Result<Core, String> {
        let _alone = scripts();
        Core::get_on(&self.host(), sysroot, arch).map_err(|failure| failure.to_string())
    }

    /// What its programs were called with.
    fn calls(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

const INSTALL: &str = "apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 \
                       qemu-system-arm gdb-multiarch";

#[test]
fn nothing_is_done_where_nothing_is_missing() {
    let machine = Machine::new(DEBIAN).user(0).program("apt-get", "exit 1");
    machine.file("bin/qemu-system-aarch64", "");
    machine.file("bin/gdb-multiarch", "");
    assert_eq!(machine.need(&LACKING), Ok(()));
    assert_eq!(machine.calls(), [""; 0]);
}

#[test]
fn root_installs_what_is_missing() {
    let machine = Machine::new(DEBIAN).user(0).program("apt-get", BRING_THEM);
    assert_eq!(machine.need(&LACKING), Ok(()));
    assert_eq!(machine.calls(), [INSTALL]);
}

#[test]
fn only_what_is_missing_is_installed() {
    let machine = Machine::new(DEBIAN).user(0).program("apt-get", BRING_THEM);
    machine.file("bin/qemu-system-aarch64", "");
    assert_eq!(machine.need(&LACKING), Ok(()));
    assert_eq!(machine.calls(), [INSTALL.replace("qemu-system-arm ", "")]);
}

#[test]
fn what_several_miss_at_once_is_installed_once() {
    let script = format!("/bin/sleep 0.1; {BRING_THEM}");
    let machine = Machine::new(DEBIAN).user(0).program("apt-get", &script);
    let _alone = scripts();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| need(&machine.host(), &LACKING).unwrap());
        }
    });
    assert_eq!(machine.calls(), [INSTALL]);
}

#[test]
fn old_package_lists_are_brought_up_to_date() {
    let script = format!(
        "case $1 in update) : > ${{0%/*}}/../updated;; *) [ -e ${{0%/*}}/../updated ] || exit 100; {BRING_THEM};; esac"
    );
    let machine = Machine::new(DEBIAN).user(0).program("apt-get", &script);
    assert_eq!(machine.need(&LACKING), Ok(()));
    assert_eq!(machine.calls(), [INSTALL, "apt-get update", INSTALL]);
}

#[test]
fn a_user_installs_with_sudo() {
    let env = "env DEBIAN_FRONTEND=noninteractive";
    let machine = || {
        Machine::new(DEBIAN)
            .user(1000)
            .program("apt-get", BRING_THEM)
    };

    let silent = machine().sudo(false);
    assert_eq!(silent.need(&LACKING), Ok(()));
    let calls = ["sudo -n true", &format!("sudo -n {env} {INSTALL}"), INSTALL];
    assert_eq!(silent.calls(), calls);

    let asked = machine().sudo(true).at_a_terminal();
    assert_eq!(asked.need(&LACKING), Ok(()));
    assert_eq!(asked.calls(), [&format!("sudo {env} {INSTALL}"), INSTALL]);
}

#[test]
fn a_user_who_cannot_become_root_is_told_the_one_command() {
    let told = "run this as root, then try again:\n    \
                apt-get install --no-install-recommends qemu-system-arm gdb-multiarch";
    let machine = || {
        Machine::new(DEBIAN)
            .user(1000)
            .program("apt-get", BRING_THEM)
    };

    let without_sudo = machine().at_a_terminal();
    assert_eq!(without_sudo.need(&LACKING), Err(told.into()));
    assert_eq!(without_sudo.calls(), [""; 0]);

    let with_password = machine().sudo(true);
    assert_eq!(with_password.need(&LACKING), Err(told.into()));
    assert_eq!(with_password.calls(), ["sudo -n true"]);
}

#[test]
fn a_failure_of_apt_is_told() {
    let machine = Machine::new(DEBIAN).user(0).program("apt-get", "exit 100");
    let error = machine.need(&LACKING).unwrap_err();
    assert!(error.starts_with("apt-get failed"), "{error}");

    let machine = Machine::new(DEBIAN).user(0).program("apt-get", "");
    let error = machine.need(&LACKING).unwrap_err();
    assert!(
        error.ends_with("but `qemu-system-aarch64` is not there"),
        "{error}"
    );
}

#[test]
fn other_systems_are_told_exactly_what_to_install() {
    let told = |os_release| Machine::new(os_release).need(&LACKING).unwrap_err();
    assert_eq!(
        told("ID=fedora\n"),
        "missing: qemu-system-aarch64, gdb\n\
         On Fedora, install what is missing with\n    \
         sudo dnf install qemu-system-aarch64-core gdb"
    );
    assert_eq!(
        told("ID=manjaro\nID_LIKE=arch\n"),
        "missing: qemu-system-aarch64, gdb\n\
         On Arch Linux, install what is missing with\n    \
         sudo pacman -S --needed qemu-system-aarch64 gdb"
    );
    assert_eq!(
        told("ID=alpine\n"),
        "missing: qemu-system-aarch64, gdb-multiarch\n\
         Install them with this system's package manager; Debian's packages are\n    \
         qemu-system-arm gdb-multiarch"
    );
    let mac_os = Machine::new("");
    mac_os.file("System/Library/CoreServices/SystemVersion.plist", "");
    assert_eq!(
        mac_os.need(&LACKING).unwrap_err(),
        "missing: qemu-system-aarch64, gdb\n\
         On macOS, install what is missing with\n    brew install qemu gdb"
    );
    let error = mac_os.need(&[OVMF]).unwrap_err();
    assert!(
        error.contains("There is no package on macOS for"),
        "{error}"
    );
}

#[test]
fn a_package_that_brings_several_tools_is_named_once() {
    let error = Machine::new("ID=arch\n").need(&ISO).unwrap_err();
    assert!(
        error.ends_with("pacman -S --needed grub libisoburn mtools"),
        "{error}"
    );
}

#[test]
fn bochs_comes_with_its_firmware_or_it_is_told_how() {
    let bring_it = "\
        there=${0%/*/*}; /bin/mkdir -p $there/usr/share/bochs; : > $there/bin/bochs\n\
        : > $there/usr/share/bochs/BIOS-bochs-latest; : > $there/usr/share/bochs/VGABIOS-lgpl-latest";
    let machine = |user| Machine::new(DEBIAN).user(user).program("apt-get", bring_it);
    let install = "bochs-term bochsbios vgabios";

    let root = machine(0);
    assert_eq!(root.need(&BOCHS), Ok(()));
    assert!(root.calls()[0].ends_with(install), "{:?}", root.calls());
    assert_eq!(root.need(&BOCHS), Ok(()));
    assert_eq!(root.calls().len(), 1, "it is there now");

    let user = machine(1000);
    let told = format!("apt-get install --no-install-recommends {install}");
    let error = user.need(&BOCHS).unwrap_err();
    assert!(error.starts_with("run this as root"), "{error}");
    assert!(error.ends_with(&told), "{error}");
    assert_eq!(user.calls(), [""; 0]);
}

#[test]
fn the_standard_library_is_added_by_rustup() {
    let arch = Architecture::Aarch64;
    let machine = Machine::new("ID=fedora\n");
    let sysroot = machine.path("sysroot");
    let library = sysroot.join("lib/rustlib").join(arch.target()).join("lib");
    let get = |machine: &Machine| machine.core(&sysroot, arch);
    let command = "rustup target add aarch64-unknown-none-softfloat";
    let error = get(&machine).unwrap_err();
    assert!(error.ends_with(&format!("    {command}")), "{error}");

    let machine = machine.program("rustup", "exit 1");
    let error = get(&machine).unwrap_err();
    assert!(error.ends_with(&format!("    {command}")), "{error}");
    assert_eq!(machine.calls(), [command]);

    let machine = machine.program("rustup", &format!("/bin/mkdir -p {}", library.display()));
    assert_eq!(get(&machine), Ok(Core::Prebuilt));
    let sources = machine.path("other/lib/rustlib/src/rust/library/core");
    std::fs::create_dir_all(sources).unwrap();
    assert_eq!(machine.core(&machine.path("other"), arch), Ok(Core::Source));
}

#[test]
fn what_keeps_kvm_from_working_is_told_in_one_line() {
    let machine = Machine::new(DEBIAN);
    let own = Architecture::X86_64;
    let told = |arch, own| {
        let error = kvm::check(&machine.host(), own, arch)
            .unwrap_err()
            .to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    assert!(told(Architecture::Aarch64, Some(own)).contains("EL2"));
    assert!(told(own, Some(Architecture::Aarch64)).contains("not an x86_64"));
    assert!(told(own, None).contains("not an x86_64"));
    assert!(told(own, Some(own)).contains("there is no /dev/kvm"));
    std::fs::create_dir_all(machine.path("dev/kvm")).unwrap();
    assert!(told(own, Some(own)).contains("cannot be opened"));
    std::fs::remove_dir(machine.path("dev/kvm")).unwrap();
    machine.file("dev/kvm", "");
    machine.file("proc/cpuinfo", "flags\t\t: fpu sse2\nbugs\t\t: vmx\n");
    assert!(told(own, Some(own)).contains("no virtualization"));
    for flags in ["fpu vmx", "svm fpu"] {
        machine.file("proc/cpuinfo", &format!("flags\t\t: {flags}\n"));
        assert!(kvm::check(&machine.host(), Some(own), own).is_ok());
    }
}
