//! How large the trusted bases of other systems are that run a virtual machine.
//!
//! Each row says where its figures come from, of which date, and how they were counted. Figures that are
//! only known from talks about talks are left out.

/// The trusted base of another system.
pub struct Published {
    pub name: &'static str,
    pub lines: usize,
    /// What the lines are made of.
    pub parts: &'static str,
    pub source: &'static str,
    pub date: &'static str,
    pub method: &'static str,
}

/// cloc 1.96, lines that are neither blank nor comment; Rust without tests.
const COUNTED: &str = "cloc 1.96, code lines, files of one architecture";

pub const PUBLISHED: &[Published] = &[
    Published {
        name: "Karma, as published",
        lines: 6_400,
        parts: "VMM 3,800, device models 2,600; without kernel and servers, and 300 lines changed in Linux",
        source: "slides of a lecture on virtual machines on microkernels",
        date: "undated; Karma was first released in 2012-05",
        method: "as published",
    },
    Published {
        name: "NOVA + NRE + Seoul",
        lines: 61_071,
        parts: "microhypervisor 13,957, user environment 26,193, VMM 20,921",
        source: "source trees of NOVA, NRE, Seoul",
        date: "2024-01, 2021-07, 2026-08",
        method: COUNTED,
    },
    Published {
        name: "Fiasco.OC + L4Re + Karma",
        lines: 62_652,
        parts: "kernel 39,637, sigma0, moe, ned, itas 14,558, VMM 8,457",
        source: "source trees of Fiasco.OC, L4Re, Karma",
        date: "2026-06, 2026-07, first commit",
        method: COUNTED,
    },
    Published {
        name: "Fiasco.OC + L4Re + uvmm",
        lines: 82_824,
        parts: "kernel 39,637, sigma0, moe, ned, itas 14,558, VMM 28,629",
        source: "source trees of Fiasco.OC, L4Re, uvmm",
        date: "2026-06, 2026-07",
        method: COUNTED,
    },
    Published {
        name: "KVM + Firecracker",
        lines: 1_334_115,
        parts: "Linux without drivers of disks and cards 1,226,044, KVM 65,471, VMM 42,600",
        source: "Debian's Linux 6.1.192, Firecracker",
        date: "2026-08",
        method: COUNTED,
    },
    Published {
        name: "KVM + QEMU",
        lines: 1_723_879,
        parts: "Linux 1,226,044, KVM 65,471, QEMU at least 432,364",
        source: "Debian's Linux 6.1.192, QEMU 7.2",
        date: "2026-08",
        method: "the same; of QEMU the files that its program names",
    },
    Published {
        name: "Xen + Linux + QEMU",
        lines: 1_941_918,
        parts: "hypervisor 283,510, Linux 1,226,044, QEMU at least 432,364",
        source: "Debian's Xen 4.17.5, Linux 6.1.192, QEMU 7.2",
        date: "2026-08",
        method: "the same; of QEMU the files that its program names",
    },
];
