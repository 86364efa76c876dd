//! A system without channels whose server makes a gate for each client: nothing is asked for.

use l4_sys::object::{Factory, Thread};
use l4_sys::{Cap, Result};

use crate::system::System;

/// Nothing is being asked for.
pub struct Sessions;

impl Sessions {
    /// Nobody answers.
    pub fn new(_: Cap<Factory>, _: Cap<Thread>) -> Result<Self> {
        Ok(Self)
    }
}

impl System<'_> {
    /// No server makes gates for a component.
    pub(crate) fn ask_servers_for(&mut self, _: usize) -> bool {
        false
    }

    /// No server has made any.
    pub(crate) fn renew_sessions_at(&mut self, _: usize) {}

    /// Nobody writes to a server.
    pub(crate) fn use_own_logs_of_clients(&self, _: usize) {}

    /// Nobody has answered.
    pub(crate) fn take_sessions(&mut self) {}
}
