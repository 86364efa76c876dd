//! `core` and `alloc` for the bare targets.
//!
//! rustup has them prebuilt. Where it cannot get them, they are built from the sources of the same
//! release, which Debian packages: fetched with a private apt configuration whose mirror is that of the
//! machine's own, so that the system's apt stays as it is.

use super::host::{Host, System};
use super::one_at_a_time;
use crate::architecture::Architecture;
use crate::failure::{Context, Result, fail};
use crate::temporary::Temporary;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's package of the sources, for the release that `rust-toolchain.toml` names.
const SOURCE_PACKAGE: &str = "rust-src=1.95.0+dfsg1-2~bpo13+1";
const SOURCE_SUITE: &str = "trixie-backports";

/// Where `core` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    Prebuilt,
    /// Built by cargo together with the programs.
    Source,
}

impl Core {
    /// Makes sure that `core` can be had for this architecture.
    pub fn get(arch: Architecture) -> Result<Self> {
        Self::get_on(&Host::detect(), &sysroot()?, arch)
    }

    pub(super) fn get_on(host: &Host, sysroot: &Path, arch: Architecture) -> Result<Self> {
        let _alone = one_at_a_time();
        let prebuilt = sysroot.join("lib/rustlib").join(arch.target()).join("lib");
        let sources = sysroot.join("lib/rustlib/src/rust/library");
        if prebuilt.is_dir() {
            return Ok(Self::Prebuilt);
        }
        if sources.join("core").is_dir() {
            return Ok(Self::Source);
        }
        println!("Missing: Rust's standard library for {}", arch.target());
        if host.has("rustup") {
            let added = host
                .command("rustup")
                .args(["target", "add", arch.target()])
                .status();
            if added.is_ok_and(|status| status.success()) && prebuilt.is_dir() {
                return Ok(Self::Prebuilt);
            }
        }
        if host.system != System::Debian || !host.has("apt-get") || !host.has("dpkg-deb") {
            fail!(
                "Rust's standard library for {target} is missing. Run this once the network is there \
                 (rustup is at https://rustup.rs):\n    rustup target add {target}",
                target = arch.target()
            );
        }
        println!("rustup cannot get it; fetching the sources from Debian ({SOURCE_SUITE})");
        fetch_sources(host, &sources)?;
        Ok(Self::Source)
    }

    /// What cargo needs to be told.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Prebuilt => &[],
            Self::Source => &[
                "-Zbuild-std=core,alloc,compiler_builtins",
                "-Zbuild-std-features=compiler-builtins-mem",
            ],
        }
    }

    /// The environment that makes cargo of a stable release accept that. Programs of the workspace still
    /// use stable features only.
    pub fn environment(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Prebuilt => None,
            Self::Source => Some(("RUSTC_BOOTSTRAP", "1")),
        }
    }
}

fn sysroot() -> Result<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context(|| "running rustc")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// Unpacks Debian's sources to `destination`.
fn fetch_sources(host: &Host, destination: &Path) -> Result<()> {
    let folder = Temporary::new("rust-src")?;
    let library = fetch_into(host, folder.path())?;
    println!("Copying the sources to {}", destination.display());
    copy_folder(&library, destination)
}

/// Fetches and unpacks below `root`; the folder of the library's sources.
fn fetch_into(host: &Host, root: &Path) -> Result<PathBuf> {
    let folders = [
        "state/lists/partial",
        "cache/archives/partial",
        "download",
        "unpacked",
    ];
    for folder in folders {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder).context(|| format!("creating {}", folder.display()))?;
    }
    let sources = root.join("sources.list");
    let line = format!("deb {} {SOURCE_SUITE} main\n", mirror(host)?);
    std::fs::write(&sources, line).context(|| format!("writing {}", sources.display()))?;
    let apt = |arguments: &[&str]| -> Result<()> {
        let mut command = host.command("apt-get");
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        for option in [
            option("Dir::Etc::SourceList", &sources),
            option("Dir::Etc::SourceParts", Path::new("/dev/null")),
            option("Dir::State::Lists", &root.join("state/lists")),
            option("Dir::Cache", &root.join("cache")),
            "APT::Sandbox::User=root".into(),
        ] {
            command.args(["-o", &option]);
        }
        let status = command
            .args(arguments)
            .current_dir(root.join("download"))
            .status();
        if !status.context(|| "running apt-get")?.success() {
            fail!(
                "apt-get {} failed (its messages are above); the library's sources of this Rust release \
                 must lie in $(rustc --print sysroot)/lib/rustlib/src/rust/library",
                arguments.join(" ")
            );
        }
        Ok(())
    };
    apt(&["update"])?;
    apt(&["download", SOURCE_PACKAGE])?;
    let download = root.join("download");
    let mut entries = std::fs::read_dir(&download)
        .context(|| download.display())?
        .flatten();
    let Some(package) =
        entries.find(|entry| entry.path().extension().is_some_and(|end| end == "deb"))
    else {
        fail!("apt-get downloaded nothing");
    };
    let unpacked = root.join("unpacked");
    let status = host
        .command("dpkg-deb")
        .arg("-x")
        .arg(package.path())
        .arg(&unpacked)
        .status();
    if !status.context(|| "running dpkg-deb")?.success() {
        fail!("dpkg-deb could not unpack {}", package.path().display());
    }
    let sources = unpacked.join("usr/src");
    let entries = std::fs::read_dir(&sources)
        .context(|| sources.display())?
        .flatten();
    match entries
        .map(|entry| entry.path().join("library"))
        .find(|library| library.join("core").is_dir())
    {
        Some(library) => Ok(library),
        None => fail!("Debian's package holds no library sources"),
    }
}

/// The Debian mirror that this machine's apt uses.
fn mirror(host: &Host) -> Result<String> {
    let output = host
        .command("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(ORIGIN) $(CODENAME)",
            "Created-By: Packages",
        ])
        .output()
        .context(|| "running apt-get indextargets")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let debian = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (uri, origin, codename) = (words.next()?, words.next()?, words.next()?);
        (origin == "Debian" && !codename.contains("security")).then(|| uri.to_owned())
    });
    match debian.into_iter().next() {
        Some(uri) => Ok(uri),
        None => fail!(
            "this machine's apt names no Debian mirror (`apt-get update` may not have run yet)"
        ),
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).context(|| format!("creating {}", to.display()))?;
    for entry in std::fs::read_dir(from)
        .context(|| from.display())?
        .flatten()
    {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).context(|| format!("copying {}", source.display()))?;
        }
    }
    Ok(())
}
