//! What the machine must have, and getting it.

use crate::architecture::Architecture;
use crate::failure::Result;
pub fn rust_target(_arch: Architecture) -> Result<()> {
    Ok(())
}
pub fn build_core_arguments(_arch: Architecture) -> Vec<String> {
    vec![]
}
pub fn build_core_environment(_arch: Architecture) -> Vec<(String, String)> {
    vec![]
}
pub fn qemu(_arch: Architecture) -> Result<()> {
    Ok(())
}
