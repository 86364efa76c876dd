//! Requests to servers: label and operation code.
//!
//! The arguments are laid out by the message writer of `l4-ipc`, which tests them itself.

use l4_abi::protocol::*;

/// Beginning of the vector's name, label, operation code.
pub(crate) fn requests() -> Vec<(&'static str, i64, u64)> {
    let dataspace = |opcode: dataspace::Opcode| (label::DATASPACE, opcode.word());
    let region_map = |opcode: region_map::Opcode| (label::REGION_MAP, opcode.word());
    let namespace = |opcode: namespace::Opcode| (label::NAMESPACE, opcode.word());
    let remote = |opcode: remote_access::Opcode| (label::REMOTE_ACCESS, opcode.word());
    let meta = |opcode: meta::Opcode| (label::META, opcode.word());

    let table = [
        ("Dataspace.map(", dataspace(dataspace::Opcode::Map)),
        ("Dataspace.map as issued", dataspace(dataspace::Opcode::Map)),
        ("Dataspace.clear", dataspace(dataspace::Opcode::Clear)),
        ("Dataspace.info", dataspace(dataspace::Opcode::Info)),
        ("Dataspace.copy_in", dataspace(dataspace::Opcode::CopyIn)),
        ("Dataspace.allocate", dataspace(dataspace::Opcode::Allocate)),
        ("Dataspace.map_info", dataspace(dataspace::Opcode::MapInfo)),
        ("Rm.attach(", region_map(region_map::Opcode::Attach)),
        ("Rm.attach without", region_map(region_map::Opcode::Attach)),
        ("Rm.detach", region_map(region_map::Opcode::Detach)),
        ("Rm.find", region_map(region_map::Opcode::Find)),
        (
            "Rm.reserve_area",
            region_map(region_map::Opcode::ReserveArea),
        ),
        ("Rm.free_area", region_map(region_map::Opcode::FreeArea)),
        ("Rm.get_regions", region_map(region_map::Opcode::GetRegions)),
        ("Rm.get_info", region_map(region_map::Opcode::GetInfo)),
        (
            "Rm.add_rescue_jump",
            region_map(region_map::Opcode::AddRescueJump),
        ),
        ("Rm.page_in", region_map(region_map::Opcode::PageIn)),
        (
            "Parent.signal",
            (label::PARENT, parent::Opcode::Signal.word()),
        ),
        (
            "Mem_alloc.info",
            (label::MEM_ALLOC, mem_alloc::Opcode::Info.word()),
        ),
        (
            "Random.get_random",
            (label::NONE, random::Opcode::GetRandom.word()),
        ),
        ("Namespace.query", namespace(namespace::Opcode::Query)),
        (
            "Namespace.register_obj",
            namespace(namespace::Opcode::Register),
        ),
        ("Namespace.unlink", namespace(namespace::Opcode::Unlink)),
        ("Meta.num_interfaces", meta(meta::Opcode::InterfaceCount)),
        ("Meta.supports", meta(meta::Opcode::Supports)),
        (
            "Remote_access.read_mem",
            remote(remote_access::Opcode::ReadMemory),
        ),
        (
            "Remote_access.terminate",
            remote(remote_access::Opcode::Terminate),
        ),
    ];
    table
        .map(|(name, (label, opcode))| (name, label, opcode))
        .to_vec()
}
