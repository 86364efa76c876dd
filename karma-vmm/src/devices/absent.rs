//! What a machine without virtio devices has in their place (without the feature `virtio`): nothing.

use core::marker::PhantomData;

/// No devices.
pub struct Devices<M>(PhantomData<M>);

impl<M> Devices<M> {
    /// None.
    pub const NONE: Self = Self(PhantomData);

    /// How many.
    pub fn count(&self) -> usize {
        0
    }

    /// None of them interrupts.
    pub fn interrupts(&self) -> impl Iterator<Item = bool> {
        core::iter::empty()
    }

    /// None of them is a console.
    pub fn room(&self) -> Option<usize> {
        None
    }

    /// Nobody types there.
    pub fn type_in(&mut self, _: &[u8], _: &M) -> usize {
        0
    }

    /// None of them completes requests.
    pub fn completed(&mut self, _: usize) {}
}

/// No bus.
pub struct Bus<M> {
    /// What is on it.
    pub devices: Devices<M>,
}

impl<M> Bus<M> {
    /// The bus of these devices.
    pub fn new(devices: Devices<M>) -> Self {
        Self { devices }
    }

    /// Nothing is there.
    pub fn read<P, V>(&mut self, _: P, _: u8) -> Option<V> {
        None
    }

    /// Nothing is there.
    pub fn write<P>(&mut self, _: P, _: u8, _: u32, _: &M) {}
}
