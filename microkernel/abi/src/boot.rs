//! What passes between loader, kernel and root task at boot.
//!
//! Source: `abi/07` §1. All addresses are physical.

/// Program header type of the kernel image that marks the kernel info page.
pub const PT_L4_KIP: u32 = 0x10;
/// Program header type of the kernel image that marks the options block.
pub const PT_L4_KERNEL_OPTIONS: u32 = 0x11;

/// The module list for the root task; `user_ptr` of the kernel info page points to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct ModuleInfo {
    /// Zero.
    pub flags: u64,
    /// Address of a command line, or zero.
    pub command_line: u64,
    /// Address of the [`Module`] array.
    pub modules: u64,
    /// Number of modules.
    pub module_count: u32,
    /// Padding.
    pub reserved: u32,
    /// Address of VBE controller information, or zero.
    pub vbe_controller: u64,
    /// Address of VBE mode information, or zero.
    pub vbe_mode: u64,
}

/// One boot module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Module {
    /// Bits 2..0: what the module is, see [`ModuleKind`].
    pub flags: u64,
    /// First byte, page aligned.
    pub start: u64,
    /// First byte after the module.
    pub end: u64,
    /// Address of the NUL-terminated command line.
    pub command_line: u64,
}

/// What a boot module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ModuleKind {
    /// A file for the root task.
    Ordinary = 0,
    /// The kernel.
    Kernel = 1,
    /// The first task.
    Sigma0 = 2,
    /// The root task.
    RootTask = 3,
}

impl Module {
    /// What the module is; unknown numbers are ordinary files.
    pub const fn kind(self) -> ModuleKind {
        match self.flags & 7 {
            1 => ModuleKind::Kernel,
            2 => ModuleKind::Sigma0,
            3 => ModuleKind::RootTask,
            _ => ModuleKind::Ordinary,
        }
    }
}

/// The name of the file that a module's command line begins with: the last part of its first word.
pub fn file_name(command_line: &[u8]) -> &[u8] {
    let mut words = command_line.split(|byte| byte.is_ascii_whitespace());
    let path = words.next().unwrap_or_default();
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The kernel options block: written by the loader from the kernel's command line.
pub mod options {
    use crate::flags::flags;

    /// First word of the block.
    pub const MAGIC: u32 = 0x4C34_4B43;
    /// Length of the debugger command.
    pub const DEBUGGER_COMMAND_LENGTH: usize = 128;
    /// UART interrupt number that means none.
    pub const NO_IRQ: u16 = 0xffff;

    flags! {
        /// Options that are present or valid.
        pub struct Flags: u32 {
            /// Enter the debugger before user programs start.
            const WAIT = 1 << 0;
            /// Escape from the serial line enters the debugger.
            const SERIAL_ESC = 1 << 1;
            /// No serial console.
            const NO_SERIAL = 1 << 2;
            /// No screen console.
            const NO_SCREEN = 1 << 3;
            /// Escape from the keyboard enters the debugger.
            const ESC = 1 << 4;
            /// No debugger.
            const NO_DEBUGGER = 1 << 5;
            /// Do not halt idle CPUs.
            const NO_HALT = 1 << 7;
            /// Use the local APIC.
            const APIC = 1 << 8;
            /// Count idle load.
            const LOAD_COUNT = 1 << 9;
            /// Use the watchdog.
            const WATCHDOG = 1 << 10;
            /// German keyboard map.
            const KEYMAP_DE = 1 << 11;
            /// Let user programs have interrupt 0.
            const IRQ_0 = 1 << 13;
            /// Switch off special fully nested mode.
            const NO_SFN = 1 << 15;
            /// The debugger does not stop other CPUs.
            const DEBUGGER_NEVER_STOP = 1 << 16;
            /// `kernel_memory_kib` is valid.
            const KERNEL_MEMORY = 1 << 17;
            /// `trace_entries` is valid.
            const TRACE_ENTRIES = 1 << 18;
            /// `output_buffer` is valid.
            const OUTPUT_BUFFER = 1 << 19;
            /// The UART's baud rates are valid.
            const UART_BAUD = 1 << 20;
            /// The UART's address is valid.
            const UART_BASE = 1 << 21;
            /// The UART's interrupt is valid.
            const UART_IRQ = 1 << 22;
            /// `debugger_command` is valid.
            const DEBUGGER_COMMAND = 1 << 23;
            /// Input comes from the serial line.
            const SERIAL_INPUT = 1 << 24;
            /// One-shot timer.
            const ONE_SHOT_TIMER = 1 << 25;
            /// `performance_profile` is valid (version 6).
            const PERFORMANCE_PROFILE = 1 << 26;
            /// The kernel has address spaces of its own, whatever the CPU (x86_64; Brio's only).
            const ISOLATE = 1 << 30;
            /// It has none, whatever the CPU (x86_64; Brio's only).
            const NO_ISOLATION = 1 << 31;
        }
    }

    /// How a UART is reached.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(u8)]
    pub enum UartAccess {
        /// There is none.
        Invalid = 0,
        /// x86 I/O ports.
        IoPort = 1,
        /// Memory-mapped registers.
        Mmio = 2,
        /// Model-specific register.
        Msr = 3,
    }

    /// The UART that the loader found.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(C, packed)]
    pub struct Uart {
        /// Input clock divided by 16.
        pub base_baud: u32,
        /// Line speed.
        pub baud: u32,
        /// Interrupt, or [`NO_IRQ`].
        pub irq: u16,
        /// Registers are 2^`register_shift` bytes apart.
        pub register_shift: u8,
        /// A [`UartAccess`].
        pub access: u8,
        /// Port or address.
        pub base: u64,
        /// Kind of device, NUL terminated.
        pub compatible: [u8; 32],
    }

    impl Uart {
        /// No UART.
        pub const NONE: Uart = Uart {
            base_baud: 0,
            baud: 0,
            irq: 0,
            register_shift: 0,
            access: UartAccess::Invalid as u8,
            base: 0,
            compatible: [0; 32],
        };
    }

    macro_rules! options_block {
        (
            $(#[$attribute:meta])* $name:ident, version $version:literal;
            $($(#[$extra_attribute:meta])* $extra:ident : u32,)?
        ) => {
            $(#[$attribute])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[repr(C, packed)]
            pub struct $name {
                /// [`MAGIC`].
                pub magic: u32,
                /// Layout of the block; the loader checks that it is one it knows.
                pub version: u32,
                /// Which options are set.
                pub flags: u32,
                /// Size of the kernel memory, in KiB.
                pub kernel_memory_kib: u32,
                $($(#[$extra_attribute])* pub $extra: u32,)?
                /// Console.
                pub uart: Uart,
                /// Where secondary CPUs spin, or zero.
                pub core_spin_address: u64,
                /// Commands for the debugger at start, NUL terminated.
                pub debugger_command: [u8; DEBUGGER_COMMAND_LENGTH],
                /// Entries of the trace buffer.
                pub trace_entries: u32,
                /// Size of the output buffer.
                pub output_buffer: u32,
                /// Node number of this kernel.
                pub node: u32,
            }

            impl $name {
                /// Number of this layout.
                pub const VERSION: u32 = $version;

                /// The block in a kernel image: everything unset.
                pub const UNSET: $name = $name {
                    magic: MAGIC,
                    version: Self::VERSION,
                    flags: 0,
                    kernel_memory_kib: 0,
                    $($extra: 0,)?
                    uart: Uart::NONE,
                    core_spin_address: 0,
                    debugger_command: [0; DEBUGGER_COMMAND_LENGTH],
                    trace_entries: 0,
                    output_buffer: 0,
                    node: 0,
                };
            }
        };
    }

    options_block! {
        /// Version 5 of the block.
        OptionsV5, version 5;
    }

    options_block! {
        /// Version 6 of the block.
        OptionsV6, version 6;
        /// Performance profile (x86).
        performance_profile: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modules_name_is_the_end_of_its_path() {
        for (command_line, name) in [
            ("rom/ned", "ned"),
            ("/a/b/hello -x y", "hello"),
            ("hello", "hello"),
            ("", ""),
            ("dir/", ""),
        ] {
            assert_eq!(file_name(command_line.as_bytes()), name.as_bytes());
        }
    }
}
