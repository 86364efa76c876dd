//! sigma0, the owner of all memory (`abi/07` §3), as its clients see it.

use l4_abi::flexpage::Flexpage;
use l4_abi::item::ReceiveBuffer;
use l4_abi::protocol::label;
use l4_abi::protocol::sigma0::Request;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::BufferDescriptor;

use crate::ipc::{call, check, compose};
use crate::{Object, Result, Utcb};

crate::object! {
    /// sigma0.
    pub struct Sigma0;
}

impl Sigma0 {
    /// Takes what `wish` names, mapped in `window`, which is as large.
    pub fn request(&self, request: Request, wish: Flexpage, window: Flexpage) -> Result<()> {
        let utcb = Utcb::current();
        utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
        utcb.set_buffer(0, ReceiveBuffer::WINDOW_WORD);
        utcb.set_buffer(1, window.raw());
        utcb.set_buffer(2, 0);
        let tag = compose(label::SIGMA0, &[request.request_word(), wish.raw()], &[]);
        let answer = call(self.selector(), tag, TimeoutPair::NEVER);
        utcb.set_buffer(0, 0);
        check(answer?).map(|_| ())
    }
}
