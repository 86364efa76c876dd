//! The records: components, channels, shared dataspaces, and what is granted to whom.

use crate::error::Error;
use crate::table::{Fields, List, Record, Tables};
use crate::{CAPABILITY_NAME_MAX, NAME_MAX, PRIORITY_MAX};

/// What holds for the system as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System<'a> {
    /// Name of the system: the stem of its configuration file.
    pub name: &'a str,
    /// ned tells what it does.
    pub verbose: bool,
}

impl<'a> System<'a> {
    /// Bytes of the system record in the header.
    pub(crate) const SIZE: usize = 12;

    pub(crate) fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        Ok(Self {
            name: fields.name(NAME_MAX)?,
            verbose: fields.u32()? & 1 != 0,
        })
    }
}

/// Position of a component in [`Description::components`](crate::Description::components).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentIndex(pub u32);

impl ComponentIndex {
    fn decode(fields: &mut Fields<'_>) -> Result<Self, Error> {
        let index = fields.u32()?;
        if (index as usize) < fields.count_of::<Component<'_>>() {
            Ok(Self(index))
        } else {
            Err(Error::Damaged("a component index is too large"))
        }
    }
}

/// One component: a task that ned creates, starts and watches.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// Unique name; the tag of its output.
    pub name: &'a str,
    /// Name of the boot module that holds its program.
    pub program: &'a str,
    /// Arguments after the program's name.
    pub args: List<'a, &'a str>,
    /// Boot modules in its read-only `rom` namespace.
    pub rom: List<'a, &'a str>,
    /// Capabilities beyond those that every component has and those of channels and dataspaces.
    pub capabilities: List<'a, Capability<'a>>,
    /// User memory in bytes: quota of its memory allocator.
    pub memory: u64,
    /// Kernel memory in bytes: quota of its factory.
    pub kernel_memory: u64,
    /// CPUs that its threads may use; bit n stands for CPU n. Never 0; all bits set means every CPU.
    pub cpus: u64,
    /// Priority of its first thread, and the highest that it can give to others. 1 to [`PRIORITY_MAX`].
    pub priority: u8,
    /// Colour of its tag.
    pub colour: Colour,
    /// How the program is loaded.
    pub runtime: Runtime,
    /// What happens when it ends or fails.
    pub restart: Restart,
    /// When it fails for good, the system ends with an error; otherwise the others go on.
    pub essential: bool,
    /// The system ends when all awaited components have ended.
    pub awaited: bool,
}

const ESSENTIAL: u32 = 1 << 0;
const AWAITED: u32 = 1 << 1;

impl<'a> Record<'a> for Component<'a> {
    const SIZE: usize = 5 * 8 + 3 * 8 + 4 + 2 * 4;

    fn table(tables: &Tables<'a>) -> &'a [u8] {
        tables.components
    }

    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        let (name, program) = (fields.name(NAME_MAX)?, fields.name(NAME_MAX)?);
        let (args, rom, capabilities) = (fields.list()?, fields.list()?, fields.list()?);
        let (memory, kernel_memory, cpus) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (priority, colour, runtime, restart) =
            (fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?);
        let (restart_limit, flags) = (fields.u32()?, fields.u32()?);
        if cpus == 0 {
            return Err(Error::Damaged("a component may use no CPU"));
        }
        if priority == 0 || priority > PRIORITY_MAX {
            return Err(Error::Damaged("a priority is out of range"));
        }
        Ok(Self {
            name,
            program,
            args,
            rom,
            capabilities,
            memory,
            kernel_memory,
            cpus,
            priority,
            colour: Colour::ALL
                .get(usize::from(colour))
                .copied()
                .ok_or(Error::Damaged("unknown colour"))?,
            runtime: Runtime::decode(runtime)?,
            restart: Restart::decode(restart, restart_limit)?,
            essential: flags & ESSENTIAL != 0,
            awaited: flags & AWAITED != 0,
        })
    }
}

impl Component<'_> {
    #[cfg(feature = "write")]
    pub(crate) fn flags(essential: bool, awaited: bool) -> u32 {
        (if essential { ESSENTIAL } else { 0 }) | (if awaited { AWAITED } else { 0 })
    }
}

/// How a program is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// By ned itself.
    Native,
    /// By the `l4re` loader module, as a C++ L4Re program expects it (abi/08 §8).
    L4re,
}

impl Runtime {
    fn decode(code: u8) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::Native),
            1 => Ok(Self::L4re),
            _ => Err(Error::Damaged("unknown runtime")),
        }
    }

    #[cfg(feature = "write")]
    pub(crate) fn encode(self) -> u8 {
        match self {
            Self::Native => 0,
            Self::L4re => 1,
        }
    }
}

/// What happens when a component ends or fails (panics, faults, exits with a code other than 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It stays ended.
    Never,
    /// It is started again after a failure, at most `limit` times.
    OnFailure {
        /// How often; then it has failed for good.
        limit: u32,
    },
    /// It is started again whenever it ends or fails.
    Always,
}

impl Restart {
    fn decode(code: u8, limit: u32) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::Never),
            1 => Ok(Self::OnFailure { limit }),
            2 => Ok(Self::Always),
            _ => Err(Error::Damaged("unknown restart policy")),
        }
    }

    #[cfg(feature = "write")]
    pub(crate) fn encode(self) -> (u8, u32) {
        match self {
            Self::Never => (0, 0),
            Self::OnFailure { limit } => (1, limit),
            Self::Always => (2, 0),
        }
    }
}

/// Colour of a component's tag on the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
#[repr(u8)]
pub enum Colour {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    White,
    Grey,
}

impl Colour {
    /// All colours, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Red,
        Self::Green,
        Self::Yellow,
        Self::Blue,
        Self::Magenta,
        Self::Cyan,
        Self::White,
        Self::Grey,
    ];

    /// Its name in a configuration file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
            Self::Magenta => "magenta",
            Self::Cyan => "cyan",
            Self::White => "white",
            Self::Grey => "grey",
        }
    }
}

/// A capability named in a component's own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability<'a> {
    /// Name under which the component finds it.
    pub name: &'a str,
    /// What it is.
    pub kind: CapabilityKind,
}

/// What a [`Capability`] stands for. Kernel objects that reach too far (scheduler, interrupt
/// controller, kernel log, root factory, sigma0) have no code here: they stay with moe and ned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapabilityKind {
    /// The console's input, through an object of ned's that speaks the Vcon protocol. One component has it.
    Console,
}

impl<'a> Record<'a> for Capability<'a> {
    const SIZE: usize = 8 + 4;

    fn table(tables: &Tables<'a>) -> &'a [u8] {
        tables.capabilities
    }

    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        let name = fields.name(CAPABILITY_NAME_MAX)?;
        match fields.u32()? {
            0 => Ok(Self {
                name,
                kind: CapabilityKind::Console,
            }),
            _ => Err(Error::Damaged("unknown kind of capability")),
        }
    }
}

impl CapabilityKind {
    #[cfg(feature = "write")]
    pub(crate) fn encode(self) -> u32 {
        match self {
            Self::Console => 0,
        }
    }
}

/// One IPC gate between a server and its clients.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// Unique name.
    pub name: &'a str,
    /// The component that binds the gate.
    pub server: ComponentIndex,
    /// Name under which the server finds the gate (`per_client`: its factory gate).
    pub server_name: &'a str,
    /// ned asks the server for a gate per client, with the arguments of the grant.
    pub per_client: bool,
    /// Who may call. Rights are those of the gate, without the right to bind it.
    pub clients: List<'a, Grant<'a>>,
}

impl<'a> Record<'a> for Channel<'a> {
    const SIZE: usize = 8 + 4 + 8 + 4 + 8;

    fn table(tables: &Tables<'a>) -> &'a [u8] {
        tables.channels
    }

    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        Ok(Self {
            name: fields.name(NAME_MAX)?,
            server: ComponentIndex::decode(fields)?,
            server_name: fields.name(CAPABILITY_NAME_MAX)?,
            per_client: fields.u32()? & 1 != 0,
            clients: fields.list()?,
        })
    }
}

/// Memory that ned allocates once and shares between components.
#[derive(Clone, Copy, Debug)]
pub struct Dataspace<'a> {
    /// Unique name.
    pub name: &'a str,
    /// Size in bytes, a multiple of 4096 and not 0.
    pub size: u64,
    /// Who may map it, and how.
    pub users: List<'a, Grant<'a>>,
}

impl<'a> Record<'a> for Dataspace<'a> {
    const SIZE: usize = 8 + 8 + 8;

    fn table(tables: &Tables<'a>) -> &'a [u8] {
        tables.dataspaces
    }

    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        let (name, size) = (fields.name(NAME_MAX)?, fields.u64()?);
        if size == 0 || size % 4096 != 0 {
            return Err(Error::Damaged(
                "the size of a dataspace is not a number of pages",
            ));
        }
        Ok(Self {
            name,
            size,
            users: fields.list()?,
        })
    }
}

/// A component's share in a channel or dataspace.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// Who gets it.
    pub component: ComponentIndex,
    /// With which rights.
    pub rights: Rights,
    /// Name under which the component finds the capability.
    pub name: &'a str,
    /// For a `per_client` channel: what the server is told when it makes the gate.
    pub args: List<'a, &'a str>,
}

impl<'a> Record<'a> for Grant<'a> {
    const SIZE: usize = 4 + 4 + 8 + 8;

    fn table(tables: &Tables<'a>) -> &'a [u8] {
        tables.grants
    }

    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        Ok(Self {
            component: ComponentIndex::decode(fields)?,
            rights: Rights::from_bits(fields.u32()?).ok_or(Error::Damaged("unknown rights"))?,
            name: fields.name(CAPABILITY_NAME_MAX)?,
            args: fields.list()?,
        })
    }
}

/// What a component may do through a granted capability. A channel knows read, write and special
/// (`r`, `w`, `s`: the gate's rights), a dataspace read, write and execute (`r`, `w`, `x`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(u32);

impl Rights {
    /// Use at all.
    pub const READ: Self = Self(1);
    /// Change.
    pub const WRITE: Self = Self(2);
    /// The gate's S right; what it means is the server's choice.
    pub const SPECIAL: Self = Self(4);
    /// Fetch instructions.
    pub const EXECUTE: Self = Self(8);

    /// Rights from their stored form.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & 1 == 1 && bits < 16 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// Their stored form.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all rights of `other` are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
