//! What is measured, one file for each kind of operation.

mod interrupt;
mod mapping;
mod message;
mod object;
pub(crate) mod other_cpu;
mod page_fault;
mod vcpu;
mod vm;

use crate::partner::Place;

/// Operations of a sample, unless a row says otherwise.
const OPERATIONS: usize = 64;

/// Everything that the rows need.
pub(crate) struct Rows {
    messages: message::Rows,
    page_faults: page_fault::Rows,
    interrupts: interrupt::Rows,
    mappings: mapping::Rows,
    objects: object::Rows,
    vcpus: vcpu::Rows,
    vms: vm::Rows,
}

impl Rows {
    pub(crate) fn new() -> Self {
        let mut own = Place::own();
        let mut other = Place::other();
        Self {
            messages: message::Rows::new(&mut own, &mut other),
            page_faults: page_fault::Rows::new(&mut other),
            interrupts: interrupt::Rows::new(&mut own),
            mappings: mapping::Rows::new(&other),
            objects: object::Rows::new(&mut own),
            vcpus: vcpu::Rows::new(&mut own, &other),
            vms: vm::Rows::new(),
        }
    }

    /// Measures all rows with `crowd` idle threads, tasks and mappings in the system.
    pub(crate) fn measure(&mut self, crowd: usize) {
        self.messages.measure(crowd);
        self.page_faults.measure(crowd);
        self.mappings.measure(crowd);
        self.interrupts.measure(crowd);
        self.objects.measure(crowd);
        self.vcpus.measure(crowd);
        self.vms.measure(crowd);
    }
}
