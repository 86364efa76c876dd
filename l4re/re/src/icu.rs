//! ICU as a server: interrupts that a server raises. The client side is `l4_sys::object::Icu`.

use l4_abi::protocol::icu::Opcode;
use l4_abi::protocol::label;
use l4_ipc::NoAnswer;
use l4_sys::Cap;
use l4_sys::object::Irq;

l4_ipc::interface! {
    /// An interrupt controller that a server stands in for.
    pub interface IcuInterface, served by IcuServer {
        protocol: label::IRQ,
        opcode: u64,

        /// Makes `pin` raise `irq`.
        fn bind(pin: u64, irq: Cap<Irq>) = Opcode::Bind;
        /// Undoes it.
        fn unbind(pin: u64, irq: Cap<Irq>) = Opcode::Unbind;
        /// Features, number of pins, number of MSIs.
        fn info() -> (u64, u64, u64) = Opcode::Info;
        /// Address and data of an MSI.
        fn msi_info(pin: u64, source: u64) -> (u64, u32) = Opcode::MsiInfo;
        /// Unmasks a pin.
        fn unmask(pin: u64) -> NoAnswer = Opcode::Unmask;
        /// Masks a pin.
        fn mask(pin: u64) -> NoAnswer = Opcode::Mask;
        /// Sets trigger mode and polarity.
        fn set_mode(pin: u64, mode: u64) = Opcode::SetMode;
    }
}
