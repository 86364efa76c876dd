//! Running a boot image in an emulator, which is QEMU unless the machine says otherwise, and finding out how it
//! ended.

use crate::architecture::Architecture;
use crate::bochs;
use crate::build::{Kernel, Purpose};
use crate::console::{Lines, Report, plain, report};
use crate::failure::{Context, Failure, Result};
use crate::setup;
use crate::size;
use crate::symbols::Symbols;
use crate::system::{Input, System};
use crate::temporary::Temporary;
use crate::terminal::{Keys, RawTerminal};
use std::ffi::OsStr;
use std::fmt;
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// The emulated machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub arch: Architecture,
    pub medium: Medium,
    /// Bytes.
    pub memory: u64,
    pub cpus: u64,
    /// Version of the interrupt controller (aarch64).
    pub gic: u64,
    /// Whether there is a level for hypervisors (aarch64); the kernel needs it.
    pub el2: bool,
    /// Run on the host's processor instead of the emulator.
    pub kvm: bool,
    /// The model of its processor, if Bochs is to emulate it.
    pub bochs: Option<String>,
    /// The kernel that the image has.
    pub kernel: Kernel,
    /// Further arguments, for the debugger for instance.
    pub extra: Vec<String>,
}

/// What a machine boots from.
#[derive(Clone, Debug)]
pub enum Medium {
    /// A boot image that the emulator loads itself.
    Image(PathBuf),
    /// A CD, by the machine's BIOS.
    Cd(PathBuf),
    /// A CD, by UEFI firmware.
    UefiCd(PathBuf),
}

impl Medium {
    fn arguments(&self) -> [&OsStr; 2 + 2] {
        let text = OsStr::new;
        match self {
            Self::Image(path) => [
                text("-boot"),
                text("menu=off"),
                text("-kernel"),
                path.as_os_str(),
            ],
            Self::Cd(path) => [
                text("-boot"),
                text("order=d"),
                text("-cdrom"),
                path.as_os_str(),
            ],
            Self::UefiCd(path) => [
                text("-bios"),
                text(setup::ovmf_file()),
                text("-cdrom"),
                path.as_os_str(),
            ],
        }
    }
}

impl Machine {
    /// A system as it is meant to run, and as `xtask run` runs it.
    pub fn new(system: &System, arch: Architecture, image: PathBuf) -> Self {
        Self {
            arch,
            medium: Medium::Image(image),
            memory: *system.ram.get_ref(),
            cpus: system.cpus,
            gic: 3,
            el2: true,
            kvm: false,
            bochs: None,
            kernel: system.kernel,
            extra: vec![],
        }
    }

    /// QEMU's command line.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program(self.arch));
        match self.arch {
            Architecture::X86_64 if self.kvm => {
                command.args(["-machine", "q35", "-accel", "kvm", "-cpu", "host"]);
            }
            Architecture::X86_64 => {
                command.args(["-machine", "q35", "-accel", "tcg", "-cpu", X86_64_CPU]);
            }
            Architecture::Aarch64 => {
                let el2 = if self.el2 { "on" } else { "off" };
                let machine = format!("virt,virtualization={el2},gic-version={}", self.gic);
                let (accel, cpu) = if self.kvm {
                    ("kvm", "host")
                } else {
                    ("tcg", "cortex-a57")
                };
                command.args(["-machine", &machine, "-accel", accel, "-cpu", cpu]);
            }
        }
        command.args([
            "-m",
            &format!("{}M", self.memory >> 20),
            "-smp",
            &self.cpus.to_string(),
        ]);
        if self.arch == Architecture::X86_64 {
            // The one device of the machine that can send messages without a driver.
            command.args(["-global", "hpet.msi=on"]);
        }
        command.args([
            "-display", "none", "-serial", "stdio", "-monitor", "none", "-nic", "none",
        ]);
        command
            .arg("-no-reboot")
            .args(self.medium.arguments())
            .args(&self.extra);
        command
    }
}

/// A machine's emulator, and both ends of the machine's serial line.
pub struct Emulator {
    pub child: Child,
    pub input: Option<Box<dyn Write + Send>>,
    pub output: Option<Box<dyn Read + Send>>,
    /// What it has open.
    pub folder: Option<Temporary>,
}

impl Emulator {
    fn start(machine: &Machine) -> Result<Self> {
        if let Some(model) = &machine.bochs {
            return bochs::start(machine, model);
        }
        setup::qemu(machine.arch)?;
        if let Medium::UefiCd(_) = machine.medium {
            setup::ovmf()?;
        }
        let mut child = machine
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context(|| format!("starting {}", program(machine.arch)))?;
        Ok(Self {
            input: child.stdin.take().map(|input| Box::new(input) as _),
            output: child.stdout.take().map(|output| Box::new(output) as _),
            child,
            folder: None,
        })
    }
}

pub fn program(arch: Architecture) -> &'static str {
    match arch {
        Architecture::X86_64 => "qemu-system-x86_64",
        Architecture::Aarch64 => "qemu-system-aarch64",
    }
}

/// An AMD processor with nested paging and everything that hardens a kernel.
const X86_64_CPU: &str =
    "qemu64,+svm,+npt,+rdrand,+smap,+smep,+umip,+fsgsbase,+pdpe1gb,+nx,+rdtscp,+pku";

/// What goes into the machine's serial line.
pub enum Typing {
    /// What the user types, or what is piped into xtask, followed by the end-of-input character.
    User,
    /// Texts, each after a line that contains another.
    Script(Vec<Input>),
}

/// What stands between a component's tag and its output.
const COMPONENT_MARK: &str = " | ";

/// How ned's lines begin; no component can have this name.
const NED: &str = "ned | ";

/// The end-of-input character (EOT): what a terminal sends for control-D.
const END_OF_INPUT: u8 = 4;

/// How a system ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It shut itself down with this code.
    Exit(u32),
    /// It shut itself down with this code because of what ned said.
    Failed(u32, String),
    /// Kernel or a server gave up with this message.
    Panic(String),
    /// It did not end in time.
    Timeout(Duration),
    /// It said that it ended but did not turn the machine off.
    StillOn(u32),
    /// It printed all that [`Session::stop_after`] waits for.
    Satisfied,
    /// The emulator ended, but the system had not said so.
    Vanished(String),
    /// The user stopped it.
    Stopped,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(0) => f.write_str("ended well"),
            Self::Exit(code) => write!(f, "ended with exit code {code}"),
            Self::Failed(code, why) => write!(f, "ended with exit code {code}: {why}"),
            Self::Panic(message) => write!(f, "panicked: {message}"),
            Self::Timeout(time) => write!(f, "did not end within {} seconds", time.as_secs()),
            Self::StillOn(code) => {
                write!(f, "said `exit {code}` but did not turn the machine off")
            }
            Self::Vanished(status) => write!(f, "ended without saying `@brio exit` ({status})"),
            Self::Stopped => f.write_str("was stopped"),
            Self::Satisfied => f.write_str("went on"),
        }
    }
}

impl End {
    /// Success, or a failure with the exit status that xtask passes on.
    pub fn into_result(self, system: &str) -> Result<()> {
        match self {
            Self::Exit(0) => Ok(()),
            end => {
                let status = match end {
                    Self::Exit(code) | Self::Failed(code, _) => u8::try_from(code).unwrap_or(1),
                    Self::Stopped => INTERRUPTED,
                    _ => 1,
                };
                Err(Failure::new(format_args!("system `{system}` {end}")).with_status(status))
            }
        }
    }
}

/// Exit status of programs that control-C ended.
const INTERRUPTED: u8 = 128 + 2;

/// How long after its last word a machine may stay on: one that the host leaves in peace takes no second.
const POWER_OFF_TIME: Duration = Duration::from_secs(60);

/// How long a system may say nothing and not be typed to.
const SILENCE: Duration = Duration::from_secs(20);

/// How long after a panic more of its story may come.
const PANIC_TIME: Duration = Duration::from_secs(10);

/// A machine that runs.
pub struct Session {
    emulator: Emulator,
    /// What it is called.
    emulator_name: &'static str,
    events: Receiver<Event>,
    lines: Lines,
    symbols: Symbols,
    script: Vec<Input>,
    /// Texts of lines after the last of which the machine is switched off, the next one last.
    wanted: Option<Vec<String>>,
    stdin: Option<Box<dyn Write + Send>>,
    /// Tells that the system listens to what is typed.
    listening: Option<Sender<()>>,
    /// Set right when the session ends.
    terminal: Option<RawTerminal>,
    kernel: Kernel,
    exit: Option<u32>,
    panic: Option<String>,
    /// What ned said last.
    ned: Option<String>,
}

/// What happens to a running machine.
enum Event {
    /// It printed this.
    Printed(Vec<u8>),
    /// It will print nothing more: the emulator has ended.
    Silence,
    /// The user wants it to stop.
    Stop,
}

/// One thing a running machine printed.
pub enum Output<'a> {
    /// Bytes as they come, to show at once.
    Bytes(&'a [u8]),
    /// A whole line, without colours and control characters.
    Line(&'a str),
    /// What an `@brio ` line said.
    Report(Report),
    /// What a backtrace that was just printed means.
    Explanation(&'a str),
}

impl Session {
    pub fn start(machine: &Machine, symbols: Symbols, typing: Typing) -> Result<Self> {
        let mut emulator = Emulator::start(machine)?;
        let (sender, events) = channel();
        let mut stdin = emulator.input.take();
        let mut listening = None;
        let mut terminal = None;
        let script = match typing {
            Typing::User => {
                if std::io::stdin().is_terminal() {
                    terminal = RawTerminal::enter();
                }
                let (tell, ready) = channel();
                listening = Some(tell);
                let is_raw = terminal.is_some();
                let events = sender.clone();
                if let Some(stdin) = stdin.take() {
                    std::thread::spawn(move || match is_raw {
                        true => pass_on_keys(stdin, &events),
                        false => pass_on_input(stdin, &ready),
                    });
                }
                vec![]
            }
            Typing::Script(mut script) => {
                script.reverse();
                script
            }
        };
        if let Some(mut stdout) = emulator.output.take() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                    let printed = Event::Printed(buffer[..length].to_vec());
                    if sender.send(printed).is_err() {
                        return;
                    }
                }
                // Nobody listens any more if the time was up.
                let _ = sender.send(Event::Silence);
            });
        }
        let lines = Lines::default();
        Ok(Self {
            emulator,
            emulator_name: machine.bochs.as_ref().map_or("QEMU", |_| "Bochs"),
            events,
            lines,
            symbols,
            script,
            wanted: None,
            stdin,
            listening,
            terminal,
            kernel: machine.kernel,
            exit: None,
            panic: None,
            ned: None,
        })
    }

    /// Switches the machine off when lines with all these texts have come, in this order: for systems
    /// that never end.
    pub fn stop_after(mut self, texts: &[String]) -> Self {
        self.wanted = Some(texts.iter().rev().cloned().collect());
        self
    }

    /// Runs to the end, at most for `timeout`.
    pub fn run(
        mut self,
        timeout: Option<Duration>,
        mut output: impl FnMut(Output<'_>),
    ) -> Result<End> {
        let mut deadline = timeout.map(|timeout| Instant::now() + timeout);
        self.type_after("");
        loop {
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            match self.events.recv_timeout(left) {
                Ok(Event::Stop) => return Ok(End::Stopped),
                Ok(Event::Printed(bytes)) => {
                    let spoken = (self.exit.is_some(), self.panic.is_some());
                    self.digest(&bytes, &mut output);
                    if self.panic.is_none() && self.wanted.as_ref().is_some_and(Vec::is_empty) {
                        return Ok(End::Satisfied);
                    }
                    match (self.exit.is_some(), self.panic.is_some()) {
                        now if now == spoken => {}
                        // The debugger has its prompt then.
                        (_, true) if self.kernel.purpose == Purpose::Debugger => {}
                        (_, true) => deadline = Some(Instant::now() + PANIC_TIME),
                        _ => deadline = Some(Instant::now() + POWER_OFF_TIME),
                    }
                }
                Err(RecvTimeoutError::Timeout) if deadline.is_none() => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Ok(match (self.panic.take(), self.exit) {
                        (Some(message), _) => End::Panic(message),
                        (None, Some(code)) => End::StillOn(code),
                        (None, None) => End::Timeout(timeout.unwrap_or_default()),
                    });
                }
                Ok(Event::Silence) | Err(RecvTimeoutError::Disconnected) => {
                    let name = self.emulator_name;
                    let status =
                        (self.emulator.child.wait()).context(|| format!("waiting for {name}"))?;
                    return Ok(match (self.panic.take(), self.exit) {
                        (Some(message), _) => End::Panic(message),
                        (None, Some(code)) => match self.ned.take() {
                            Some(why) if code != 0 => End::Failed(code, why),
                            _ => End::Exit(code),
                        },
                        (None, None) => End::Vanished(format!("{name}: {status}")),
                    });
                }
            }
        }
    }

    /// Passes bytes on, and what they mean.
    fn digest(&mut self, mut bytes: &[u8], output: &mut impl FnMut(Output<'_>)) {
        while !bytes.is_empty() {
            let length = bytes
                .iter()
                .position(|&byte| byte == b'\n')
                .map_or(bytes.len(), |at| at + 1);
            let (part, rest) = bytes.split_at(length);
            bytes = rest;
            output(Output::Bytes(part));
            match part.iter().filter_map(|&byte| self.lines.push(byte)).next() {
                Some(line) => self.line(&line, output),
                None => {
                    let prompt = plain(self.lines.partial());
                    self.type_after(&prompt);
                }
            }
        }
    }

    fn line(&mut self, line: &[u8], output: &mut impl FnMut(Output<'_>)) {
        let text = plain(line);
        output(Output::Line(&text));
        if let Some(wanted) = &mut self.wanted {
            wanted.pop_if(|next| text.contains(next.as_str()));
        }
        if let Some(said) = text.strip_prefix(NED) {
            self.ned = Some(said.to_owned());
        }
        if text.contains(COMPONENT_MARK)
            && let Some(listening) = self.listening.take()
        {
            // Nobody waits for it any more if the time was up.
            let _ = listening.send(());
        }
        if let Some(report) = report(line) {
            match &report {
                Report::Exit(code) => self.exit = Some(*code),
                Report::Panic(message) => self.panic = Some(message.clone()),
                Report::Test { .. } | Report::Trace { .. } => {}
            }
            output(Output::Report(report));
        }
        for explanation in self.symbols.explain(&text) {
            output(Output::Explanation(&explanation));
        }
        self.type_after(&text);
    }

    /// Types what waits for this line.
    fn type_after(&mut self, line: &str) {
        while self
            .script
            .last()
            .is_some_and(|next| line.contains(&next.after))
        {
            let Some(next) = self.script.pop() else {
                return;
            };
            if let Some(stdin) = &mut self.stdin {
                // A machine that is gone types nothing; how it ended is told elsewhere.
                let _ = stdin
                    .write_all(next.text.as_bytes())
                    .and_then(|()| stdin.flush());
            }
            if !next.after.is_empty() {
                return;
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.emulator.child.kill();
        let _ = self.emulator.child.wait();
        self.emulator.folder = None;
        self.terminal = None;
    }
}

/// Passes on what is piped into xtask, from when the system says that it listens: what comes before the
/// kernel has set up its serial line would be lost.
fn pass_on_input(mut to: Box<dyn Write + Send>, listening: &Receiver<()>) {
    // A system that says nothing may listen all the same.
    let _ = listening.recv_timeout(SILENCE);
    let mut buffer = [0; 4096];
    let mut from = std::io::stdin();
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to
            .write_all(&buffer[..length])
            .and_then(|()| to.flush())
            .is_err()
        {
            return;
        }
    }
    let _ = to.write_all(&[END_OF_INPUT]).and_then(|()| to.flush());
    // QEMU would take a closed line for the end of everything typed, the above included.
    std::thread::sleep(Duration::from_secs(3600));
}

/// Passes on what is typed.
fn pass_on_keys(mut to: Box<dyn Write + Send>, events: &Sender<Event>) {
    let mut keys = Keys::default();
    let mut buffer = [0; 256];
    let mut from = std::io::stdin();
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let typed = keys.sort(&buffer[..length]);
        if (to.write_all(&typed.text))
            .and_then(|()| to.flush())
            .is_err()
        {
            return;
        }
        if typed.stop {
            // Nobody listens any more if the system has ended by itself.
            let _ = events.send(Event::Stop);
        }
    }
}

/// One line about a machine.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.cpus == 1 { "" } else { "s" };
        write!(
            f,
            "{}, {} CPU{plural}, {}",
            self.arch,
            self.cpus,
            size::show(self.memory)
        )?;
        match &self.bochs {
            Some(model) => write!(f, ", {model} in Bochs"),
            None => Ok(()),
        }
    }
}
