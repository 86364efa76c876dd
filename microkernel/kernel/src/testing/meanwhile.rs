//! Entries in the middle of which another CPU makes one: each pair of entries
//! in all the orders that locks let them have.

use std::cell::RefCell;
use std::rc::Rc;

use machine::cpu::{become_cpu, current};
use machine::meanwhile;

use super::World;
use crate::cpu::{Cpu, CpuLocal};

/// The CPU that does something in the middle of an entry of another one, while
/// that goes on.
pub(super) type Busy = Rc<RefCell<Option<&'static mut Cpu>>>;

/// What that CPU does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meanwhile {
    /// The system call in the registers of its current thread.
    Syscall,
    /// It is interrupted; it notices once more what another CPU wants.
    Interrupt(machine::event::Source),
}

impl World {
    /// In the middle of the next entry, when so many moments at which that could
    /// be have passed, CPU `id` does something.
    pub(crate) fn meanwhile(&mut self, moments: usize, id: usize, what: Meanwhile) {
        let other = self.others[id].take().expect("another CPU");
        *self.busy.borrow_mut() = Some(other);
        let busy = self.busy.clone();
        meanwhile::arrange(moments, move || {
            let mut busy = busy.borrow_mut();
            let cpu = busy.as_deref_mut().expect("it waits for this");
            let own = current();
            become_cpu(cpu.id());
            match what {
                Meanwhile::Syscall => CpuLocal::syscall(cpu),
                Meanwhile::Interrupt(source) => {
                    CpuLocal::interrupt(cpu, machine::trap::Interrupt(source));
                }
            }
            become_cpu(own);
        });
    }

    /// The entry is over, and the other CPU is as all others again.
    pub(super) fn end_meanwhile(&mut self) {
        if let Some(other) = self.busy.take() {
            let id = other.id() as usize;
            self.others[id] = Some(other);
            self.has_happened = !meanwhile::cancel();
        }
    }

    /// System calls are only prepared: threads that run write their registers.
    pub(crate) fn prepare(&mut self, calls: impl FnOnce(&mut Self)) {
        self.prepares = true;
        calls(self);
        self.prepares = false;
    }
}
