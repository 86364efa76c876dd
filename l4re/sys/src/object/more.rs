//! Operations that few programs need (feature `more-operations`), so that the others do not trust them.

use l4_abi::error::IpcError;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::protocol::thread::SenderRule;
use l4_abi::protocol::{debugger, icu, ipc_gate, irq, label, platform_control, thread};
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;

use super::{Debugger, Icu, IpcGate, Irq, PlatformControl, Thread};
use crate::ipc::{self, compose, invoke};
use crate::{Cap, Object, Passed, Result, Utcb};

/// What an [`Icu`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcuInfo {
    /// Feature bits.
    pub features: u64,
    /// Number of pins.
    pub pins: u64,
    /// Number of MSIs.
    pub msis: u64,
}

/// What a device writes to raise an MSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msi {
    /// Where to.
    pub address: u64,
    /// What.
    pub data: u32,
}

impl Icu {
    /// What the controller has.
    pub fn info(&self) -> Result<IcuInfo> {
        let words = [icu::Opcode::Info.word()];
        invoke(self.selector(), label::IRQ, &words, &[])?;
        let utcb = Utcb::current();
        Ok(IcuInfo {
            features: utcb.message(0),
            pins: utcb.message(1),
            msis: utcb.message(2),
        })
    }

    /// What the device `source` must write to raise MSI `pin`. Errors: ERANGE, ENOSYS.
    pub fn msi_info(&self, pin: u64, source: u64) -> Result<Msi> {
        let words = [icu::Opcode::MsiInfo.word(), pin, source];
        invoke(self.selector(), label::IRQ, &words, &[])?;
        let utcb = Utcb::current();
        Ok(Msi {
            address: utcb.message(0),
            data: utcb.message(1) as u32,
        })
    }

    /// Masks a pin.
    pub fn mask(&self, pin: u64) -> core::result::Result<(), IpcError> {
        let tag = compose(label::IRQ, &[icu::Opcode::Mask.word(), pin], &[]);
        ipc::send(self.selector(), tag, TimeoutPair::NEVER)
    }

    /// Sets trigger mode and polarity of a pin.
    pub fn set_mode(&self, pin: u64, mode: icu::Mode) -> Result<()> {
        let words = [icu::Opcode::SetMode.word(), pin, mode.bits()];
        invoke(self.selector(), label::IRQ, &words, &[]).map(|_| ())
    }
}

impl IpcGate {
    /// The label, 0 if unbound.
    pub fn label(&self) -> Result<u64> {
        let words = [ipc_gate::Opcode::GetInfo.word()];
        invoke(self.selector(), label::KERNEL_OBJECT, &words, &[])?;
        Ok(Utcb::current().message(0))
    }
}

impl Irq {
    /// Detaches it from its thread. Error: ENOENT if it has none.
    pub fn detach(&self) -> Result<()> {
        let words = [irq::SenderOpcode::Detach.word()];
        invoke(self.selector(), label::IRQ_SENDER, &words, &[]).map(|_| ())
    }
}

impl PlatformControl {
    /// Suspends the system; returns after it resumed. Error: EBUSY.
    pub fn suspend(&self) -> Result<()> {
        let words = [platform_control::Opcode::Suspend.word(), 0];
        invoke(self.selector(), label::NONE, &words, &[]).map(|_| ())
    }
}

impl Thread {
    /// Gives the rest of the own time slice to this thread, if it can run.
    pub fn switch_to(&self) -> Result<()> {
        let words = [thread::Opcode::SwitchTo.word()];
        invoke(self.selector(), label::THREAD, &words, &[]).map(|_| ())
    }

    /// Time that the thread has run, in µs.
    pub fn time(&self) -> Result<u64> {
        let words = [thread::Opcode::StatsTime.word()];
        invoke(self.selector(), label::THREAD, &words, &[])?;
        Ok(Utcb::current().message(0))
    }

    /// Changes labels of messages that are queued at this thread, which must be on this CPU.
    pub fn modify_senders(&self, rule: SenderRule) -> Result<()> {
        let words = [
            thread::Opcode::ModifySenders.word(),
            rule.match_mask,
            rule.match_value,
            rule.clear,
            rule.add,
        ];
        invoke(self.selector(), label::THREAD, &words, &[]).map(|_| ())
    }

    /// Makes the thread a vCPU with its state at `address` in kernel-user memory.
    pub fn vcpu_control(&self, address: u64) -> Result<()> {
        let words = [thread::Opcode::VcpuControl.word(), address];
        invoke(self.selector(), label::THREAD, &words, &[]).map(|_| ())
    }
}

impl Debugger {
    /// The number under which the debugger shows an object.
    pub fn global_id<T: Object>(&self, object: Cap<T>) -> Result<u64> {
        let object = object.pass(CapabilityRights::RWS).item();
        let words = [debugger::ObjectOpcode::GlobalId.word()];
        invoke(self.selector(), label::DEBUGGER, &words, &[object])?;
        Ok(Utcb::current().message(0))
    }
}

impl<T> Passed<T> {
    /// The same, without keeping the object alive at the receiver.
    pub fn weak(mut self) -> Self {
        let raw = self.item.control.raw() | ItemFlags::WEAK.bits();
        self.item.control = ItemControl::from_raw(raw);
        self
    }
}
