//! Bochs, an emulator of processors that QEMU does not emulate: Intel's, with VT-x, PCIDs and x2APIC.
//!
//! It boots from a CD, which is made for it. The machine's serial line is a connection to xtask, for
//! Bochs writes about itself to its standard output.

use crate::boot_image::{read, write_file};
use crate::failure::{Context, Result, fail};
use crate::iso;
use crate::qemu::{Emulator, Machine, Medium};
use crate::setup;
use crate::suggest::suggestion;
use crate::temporary::Temporary;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const PROGRAM: &str = "bochs";

/// Fails if Bochs has no processor of this name.
pub fn check_model(model: &str) -> Result<()> {
    setup::bochs()?;
    let output = Command::new(PROGRAM).args(["-help", "cpu"]).output();
    let output = output.context(|| format!("running {PROGRAM}"))?;
    // A word a line, between messages of more words.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let models: Vec<&str> = text.lines().filter(|line| is_model(line)).collect();
    if !models.contains(&model) {
        let near = suggestion(model, &models);
        fail!(
            "Bochs has no processor `{model}`{near}\n  = there are: {}",
            models.join(", ")
        );
    }
    Ok(())
}

fn is_model(line: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.contains(|c: char| c.is_ascii_lowercase()) && line.chars().all(part)
}

/// Starts the machine with a processor of this model.
pub fn start(machine: &Machine, model: &str) -> Result<Emulator> {
    setup::bochs()?;
    let (Medium::Image(image) | Medium::Cd(image)) = &machine.medium else {
        fail!("Bochs boots by BIOS only");
    };
    let folder = Temporary::new(PROGRAM)?;
    let cd = match machine.medium {
        Medium::Image(_) => folder.path().join("cd.iso"),
        _ => image.clone(),
    };
    if cd != *image {
        iso::make(&read(image)?, "Brio", &cd)?;
    }
    let line = TcpListener::bind("127.0.0.1:0").context(|| "listening for Bochs")?;
    let port = line.local_addr().context(|| "listening for Bochs")?.port();
    let log = folder.path().join("log");
    let configuration = folder.path().join("configuration");
    let text = configuration_text(machine, model, &cd, &log, port);
    write_file(&configuration, text.as_bytes())?;
    // With a debugger in it, as Debian has it, it waits for commands first.
    let commands = folder.path().join("commands");
    write_file(&commands, b"continue\n")?;
    let mut child = Command::new(PROGRAM)
        .arg("-q")
        .arg("-f")
        .arg(&configuration)
        .arg("-rc")
        .arg(&commands)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context(|| format!("starting {PROGRAM}"))?;
    let line = match accept(&line, &mut child, &log) {
        Ok(line) => line,
        Err(failure) => {
            // Nobody else knows of it. If it has ended already, there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
            return Err(failure);
        }
    };
    let input = line
        .try_clone()
        .context(|| "connecting with Bochs' serial line")?;
    Ok(Emulator {
        child,
        input: Some(Box::new(input)),
        output: Some(Box::new(line)),
        folder: Some(folder),
    })
}

fn configuration_text(machine: &Machine, model: &str, cd: &Path, log: &Path, port: u16) -> String {
    let (megabytes, cpus) = (machine.memory >> 20, machine.cpus);
    let [bios, vga_bios] = setup::bochs_firmware();
    let (cd, log) = (cd.display(), log.display());
    format!(
        "megs: {megabytes}\n\
         romimage: file={bios}\n\
         vgaromimage: file={vga_bios}\n\
         cpu: model={model}, count={cpus}, ips=50000000\n\
         ata0-master: type=cdrom, path={cd}, status=inserted\n\
         boot: cdrom\n\
         com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}\n\
         display_library: rfb, options=\"timeout=0\"\n\
         panic: action=fatal\n\
         log: {log}\n"
    )
}

/// Waits until the serial line is there.
fn accept(line: &TcpListener, child: &mut Child, log: &Path) -> Result<TcpStream> {
    let doing = || "waiting for Bochs' serial line";
    line.set_nonblocking(true).context(doing)?;
    loop {
        match line.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).context(doing)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                return Err(error).context(doing);
            }
            Err(_) => {}
        }
        if let Some(status) = child.try_wait().context(doing)? {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let why = log.lines().rfind(|line| line.contains("PANIC"));
            fail!(
                "Bochs ended at once ({status}): {}",
                why.unwrap_or("it does not say why")
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
