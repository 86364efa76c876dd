//! The records: components, channels, shared dataspaces, and what is granted to whom; each with the order
//! of its fields.

use alloc::vec::Vec;

use crate::error::Error;
use crate::fields::{Decode, Fields};
use crate::{CAPABILITY_NAME_MAX, NAME_MAX, PRIORITY_MAX};

/// One component: a task that ned creates, starts and watches.
#[derive(Clone, Debug)]
pub struct Component<'a> {
    /// Unique name; the tag of its output.
    pub name: &'a str,
    /// Name of the boot module that holds its program.
    pub program: &'a str,
    /// Arguments after the program's name.
    pub args: Vec<&'a str>,
    /// Boot modules in its read-only `rom` namespace.
    pub rom: Vec<&'a str>,
    /// Capabilities beyond those that every component has and those of channels and dataspaces.
    pub capabilities: Vec<Capability<'a>>,
    /// User memory in bytes: quota of its memory allocator.
    pub memory: u64,
    /// Kernel memory in bytes: quota of its factory.
    pub kernel_memory: u64,
    /// CPUs that its threads may use; bit n stands for CPU n. Never 0; all bits set means every CPU.
    pub cpus: u64,
    /// Priority of its first thread, and the highest that it can give to others. 1 to [`PRIORITY_MAX`].
    pub priority: u8,
    /// Colour of its tag, by the name that moe knows.
    pub colour: &'a str,
    /// How the program is loaded.
    pub runtime: Runtime,
    /// What happens when it ends or fails.
    pub restart: Restart,
    /// When it fails for good, the system ends with an error; otherwise the others go on.
    pub essential: bool,
    /// The system ends when all awaited components have ended.
    pub awaited: bool,
}

impl<'a> Decode<'a> for Component<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        let component = Self {
            name: fields.name(NAME_MAX)?,
            program: fields.name(NAME_MAX)?,
            args: fields.list()?,
            rom: fields.list()?,
            capabilities: fields.list()?,
            memory: fields.u64()?,
            kernel_memory: fields.u64()?,
            cpus: fields.u64()?,
            priority: fields.u8()?,
            colour: fields.name(NAME_MAX)?,
            runtime: fields.one_of(&[Runtime::Native, Runtime::L4re])?,
            restart: Restart::decode(fields)?,
            essential: fields.one_of(&[false, true])?,
            awaited: fields.one_of(&[false, true])?,
        };
        if component.cpus == 0 {
            return Err(Error::Damaged("a component may use no CPU"));
        }
        if component.priority == 0 || component.priority > PRIORITY_MAX {
            return Err(Error::Damaged("a priority is out of range"));
        }
        Ok(component)
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
    fn decode(fields: &mut Fields<'_>) -> Result<Self, Error> {
        match (fields.u8()?, fields.u32()?) {
            (0, _) => Ok(Self::Never),
            (1, limit) => Ok(Self::OnFailure { limit }),
            (2, _) => Ok(Self::Always),
            _ => Err(Error::Damaged("unknown restart policy")),
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

impl<'a> Decode<'a> for Capability<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        Ok(Self {
            name: fields.name(CAPABILITY_NAME_MAX)?,
            kind: fields.one_of(&[CapabilityKind::Console])?,
        })
    }
}

/// One IPC gate between a server and its clients.
#[derive(Clone, Debug)]
pub struct Channel<'a> {
    /// Unique name.
    pub name: &'a str,
    /// The component that binds the gate: its position.
    pub server: usize,
    /// Name under which the server finds the gate (`per_client`: its factory gate).
    pub server_name: &'a str,
    /// ned asks the server for a gate per client, with the arguments of the grant.
    pub per_client: bool,
    /// Who may call. Rights are those of the gate, without the right to bind it.
    pub clients: Vec<Grant<'a>>,
}

impl<'a> Decode<'a> for Channel<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        Ok(Self {
            name: fields.name(NAME_MAX)?,
            server: fields.component()?,
            server_name: fields.name(CAPABILITY_NAME_MAX)?,
            per_client: fields.one_of(&[false, true])?,
            clients: fields.list()?,
        })
    }
}

/// Memory that ned allocates once and shares between components.
#[derive(Clone, Debug)]
pub struct Dataspace<'a> {
    /// Unique name.
    pub name: &'a str,
    /// Size in bytes, a multiple of 4096 and not 0.
    pub size: u64,
    /// Who may map it, and how.
    pub users: Vec<Grant<'a>>,
}

impl<'a> Decode<'a> for Dataspace<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        let dataspace = Self {
            name: fields.name(NAME_MAX)?,
            size: fields.u64()?,
            users: fields.list()?,
        };
        if dataspace.size == 0 || !dataspace.size.is_multiple_of(4096) {
            return Err(Error::Damaged(
                "the size of a dataspace is not a number of pages",
            ));
        }
        Ok(dataspace)
    }
}

/// A component's share in a channel or dataspace.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// Position of the component that gets it.
    pub component: usize,
    /// With which rights.
    pub rights: Rights,
    /// Name under which the component finds the capability.
    pub name: &'a str,
    /// For a `per_client` channel: what the server is told when it makes the gate.
    pub args: Vec<&'a str>,
}

impl<'a> Decode<'a> for Grant<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        Ok(Self {
            component: fields.component()?,
            rights: Rights::from_bits(fields.u8()?).ok_or(Error::Damaged("unknown rights"))?,
            name: fields.name(CAPABILITY_NAME_MAX)?,
            args: fields.list()?,
        })
    }
}

/// What a component may do through a granted capability. A channel knows read, write and special
/// (`r`, `w`, `s`: the gate's rights), a dataspace read, write and execute (`r`, `w`, `x`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(u8);

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
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & 1 == 1 && bits < 16 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// Their stored form.
    pub const fn bits(self) -> u8 {
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
