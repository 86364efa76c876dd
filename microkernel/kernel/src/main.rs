//! The kernel's image: the kernel library on a machine.
#![no_std]
#![no_main]

machine::upcalls!(kernel::cpu::CpuLocal);

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    machine::panic::panicked(info)
}
