//! How a guest ends.

/// What it wants to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It switched itself off.
    Off,
    /// It wants to start anew.
    Reset,
}
