//! `cargo xtask debug`: boots a system, stopped at its first instruction, with a debugger attached.

use super::run::{build, default_arch, load};
use super::{THE_ARCH, Verb};
use crate::arguments::{Arguments, CPUS};
use crate::boot_image::write_file;
use crate::build::{Profile, Purpose, kernel_path};
use crate::failure::{Context, Result, fail};
use crate::qemu::Machine;
use crate::setup;
use crate::workspace::{Workspace, relative};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const VERB: Verb = Verb {
    name: "debug",
    words: "SYSTEM",
    about: "boots a system under gdb, stopped at its first instruction",
    options: &[
        THE_ARCH,
        ("--smp N", "CPUs, up to 64"),
        ("-x FILE", "runs the gdb commands in FILE and ends"),
    ],
    run,
};

fn run(args: &[String]) -> Result<()> {
    let args = Arguments::parse(args, VERB.options)?;
    let workspace = Workspace::load()?;
    let mut system = load(&workspace, args.word("SYSTEM")?)?;
    system.kernel.purpose = Purpose::Gdb;
    let arch = args
        .architecture()?
        .unwrap_or_else(|| default_arch(&system));
    let cpus = args.number_in("--smp", CPUS)?;
    setup::qemu(arch)?;
    let gdb = setup::gdb()?;
    let mut machine = Machine::new(
        &system,
        arch,
        build(&system, &workspace, arch, Profile::Checked)?,
    );
    machine.cpus = cpus.unwrap_or(machine.cpus);
    let port = free_port()?;
    machine.extra = vec!["-S".into(), "-gdb".into(), format!("tcp:127.0.0.1:{port}")];

    let folder = workspace.output(arch).join("logs");
    let log = folder.join(format!("{}-debug.log", system.file_name()));
    write_file(&log, b"")?;
    let console = std::fs::File::create(&log).context(|| format!("creating {}", log.display()))?;
    let mut command = machine.command();
    // In its own process group, so that control-C stops the system for gdb and does not end QEMU.
    command
        .stdin(Stdio::null())
        .stdout(console)
        .process_group(0);
    let mut qemu = Qemu(command.spawn().context(|| "starting QEMU")?);
    qemu.wait_for_gdb(port)?;

    let programs: Vec<String> = system.packages();
    let commands_file = folder.join("brio.py");
    write_file(&commands_file, COMMANDS.as_bytes())?;
    let script = script(
        port,
        &kernel_path(&workspace, arch, system.kernel),
        &workspace.output(arch),
        &commands_file,
    );
    let script_file = folder.join(format!("{}.gdb", system.file_name()));
    write_file(&script_file, script.as_bytes())?;
    println!(
        "Console: {} (follow it with `tail -f`)",
        relative(&log).display()
    );
    println!(
        "The kernel's symbols are loaded. `program NAME` loads those of bootstrap, sigma0, moe, ned"
    );
    println!(
        "or a program ({}) instead; `kernel` the kernel's again.",
        programs.join(", ")
    );
    println!("`help brio` lists commands that show threads, tasks and capabilities.");

    let mut gdb = Command::new(gdb);
    gdb.args(["-quiet", "-x"]).arg(&script_file);
    if let Some(commands) = args.text("-x") {
        gdb.args(["-batch", "-x", commands]);
    }
    let status = gdb.status().context(|| "running gdb")?;
    if !status.success() {
        fail!("gdb: {status}");
    }
    Ok(())
}

/// gdb commands that know the kernel's threads and tasks.
const COMMANDS: &str = include_str!("../gdb/brio.py");

fn script(port: u16, kernel: &Path, folder: &Path, commands: &Path) -> String {
    let [kernel, folder, commands] = [kernel, folder, commands].map(Path::display);
    format!(
        "set confirm off\n\
         set remotetimeout 60\n\
         set pagination off\n\
         set print asm-demangle on\n\
         symbol-file {kernel}\n\
         define program\n\
         symbol-file {folder}/$arg0\n\
         end\n\
         document program\n\
         Load the symbols of a program instead of the kernel's: programs share their addresses.\n\
         end\n\
         define kernel\n\
         symbol-file {kernel}\n\
         end\n\
         document kernel\n\
         Load the kernel's symbols.\n\
         end\n\
         python KERNEL = '{kernel}'; FOLDER = '{folder}'\n\
         source {commands}\n\
         target remote 127.0.0.1:{port}\n"
    )
}

/// A port of this machine that nobody listens at.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context(|| "looking for a free port")?;
    Ok(listener
        .local_addr()
        .context(|| "looking for a free port")?
        .port())
}

/// Whether a process listens at this port (proc(5): address and port of this side, and 0A, in columns 2 and 4).
fn is_listened_at(port: u16) -> Result<bool> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").context(|| "reading /proc/net/tcp")?;
    let port = format!(":{port:04X}");
    Ok(sockets.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        matches!(columns.as_slice(), [_, own, _, "0A", ..] if own.ends_with(&port))
    }))
}

/// A QEMU that ends with the debugger.
struct Qemu(Child);

impl Qemu {
    /// Waits until QEMU listens. To try a connection would use it up, and to try the port could take it from QEMU.
    fn wait_for_gdb(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_listened_at(port)? {
            if let Ok(Some(status)) = self.0.try_wait() {
                fail!("QEMU ended at once ({status}); its messages are above");
            }
            if Instant::now() > deadline {
                fail!("QEMU does not listen for gdb");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
