//! ICU as a server: interrupts that a server raises. The client side is `l4_sys::object::Icu`.

use l4_abi::error::ResultCode;
use l4_abi::protocol::icu::Opcode;
use l4_abi::protocol::label;
use l4_ipc::{NoAnswer, Outcome, Received, Request};
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

/// A server that has one interrupt for its client, at pin 0; it is an interrupt controller by that.
pub trait OneInterrupt {
    /// Raises the client's interrupt from now on.
    fn bind(&mut self, request: &mut Request<'_>, irq: Received<Irq>) -> Outcome<()>;

    /// Does not raise it any more.
    fn unbind(&mut self, irq: Received<Irq>) -> Outcome<()>;
}

/// The pin.
const PIN: u64 = 0;

fn check(pin: u64) -> Outcome<()> {
    match pin {
        PIN => Ok(()),
        _ => Err(ResultCode::ERANGE),
    }
}

impl<T: OneInterrupt> IcuServer for T {
    fn bind(&mut self, request: &mut Request<'_>, pin: u64, irq: Received<Irq>) -> Outcome<()> {
        check(pin)?;
        OneInterrupt::bind(self, request, irq)
    }

    fn unbind(&mut self, _: &mut Request<'_>, pin: u64, irq: Received<Irq>) -> Outcome<()> {
        check(pin)?;
        OneInterrupt::unbind(self, irq)
    }

    fn info(&mut self, _: &mut Request<'_>) -> Outcome<(u64, u64, u64)> {
        Ok((0, PIN + 1, 0))
    }

    fn msi_info(&mut self, _: &mut Request<'_>, _: u64, _: u64) -> Outcome<(u64, u32)> {
        Err(ResultCode::ENOSYS)
    }

    /// Clients unmask their interrupt object.
    fn unmask(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<()> {
        Ok(())
    }

    fn mask(&mut self, _: &mut Request<'_>, _: u64) -> Outcome<()> {
        Ok(())
    }

    fn set_mode(&mut self, _: &mut Request<'_>, _: u64, _: u64) -> Outcome<()> {
        Ok(())
    }
}
