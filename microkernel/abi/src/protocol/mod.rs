//! Protocols: labels and flags of every object and server, operation codes of the kernel's objects.
//! Those of servers are where their interfaces are declared, in `l4re`.
//!
//! One file per object. Kernel objects come from `abi/05`, sigma0 from `abi/07`, the servers
//! from `abi/08`. Kernel objects and hand-written stubs use whole words as operation codes,
//! server interfaces 32 bits; `Opcode::from_word` takes the value either way.

/// Declares an operation enum with the conversions from and to message words.
macro_rules! opcodes {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $($(#[$variant_attribute:meta])* $variant:ident = $value:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u64)]
        pub enum $name {
            $($(#[$variant_attribute])* $variant = $value,)+
        }

        impl $name {
            /// The operation of this number.
            pub const fn from_word(word: u64) -> Option<$name> {
                match word {
                    $($value => Some($name::$variant),)+
                    _ => None,
                }
            }

            /// The number of the operation.
            pub const fn word(self) -> u64 {
                self as u64
            }
        }
    };
}

pub mod dataspace;
pub mod debugger;
pub mod factory;
pub mod icu;
pub mod ipc_gate;
pub mod irq;
pub mod label;
pub mod log;
pub mod mem_alloc;
pub mod namespace;
pub mod parent;
pub mod platform_control;
pub mod region_map;
pub mod scheduler;
pub mod semaphore;
pub mod sigma0;
pub mod task;
pub mod thread;
#[cfg(feature = "virtio")]
pub mod virtio;
