//! Behaviour of the ABI's words: round trips, arithmetic, and what user-chosen bits may do.

mod capability;
mod error;
mod exception;
mod flags;
mod flexpage;
mod item;
mod message_tag;
mod protocol;
mod timeout;
mod vcpu;
