//! A console whose output a test reads and whose input it writes.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::vec::Vec;

/// The console.
#[derive(Default)]
pub struct Console {
    output: Mutex<Vec<u8>>,
    input: Mutex<VecDeque<u8>>,
    /// What comes as soon as somebody has found no input.
    late: Mutex<VecDeque<u8>>,
}

impl Console {
    /// A silent console.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes bytes.
    pub fn write(&self, bytes: &[u8]) {
        self.output
            .lock()
            .expect("poisoned")
            .extend_from_slice(bytes);
    }

    /// Takes a byte of input, if there is one.
    pub fn read(&self) -> Option<u8> {
        let mut input = self.input.lock().expect("poisoned");
        let byte = input.pop_front();
        if byte.is_none() {
            input.append(&mut self.late.lock().expect("poisoned"));
        }
        byte
    }

    /// Lets input raise the interrupt.
    pub fn enable_receive_interrupt(&self) {}

    /// The pin at which input is told: none, the test tells it.
    pub fn interrupt_pin(&self) -> Option<u32> {
        None
    }

    /// What was written since the last call.
    pub fn take_output(&self) -> Vec<u8> {
        core::mem::take(&mut *self.output.lock().expect("poisoned"))
    }

    /// Types.
    pub fn type_bytes(&self, bytes: &[u8]) {
        self.input.lock().expect("poisoned").extend(bytes);
    }

    /// Types when somebody has just found nothing.
    pub fn type_late(&self, bytes: &[u8]) {
        self.late.lock().expect("poisoned").extend(bytes);
    }
}

impl core::fmt::Write for &Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
