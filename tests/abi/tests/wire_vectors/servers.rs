//! Requests to servers: label and operation code.
//!
//! The arguments are laid out by the message writer of `l4-ipc`, which tests them itself.

use l4_abi::protocol::*;

/// Beginning of the vector's name, label, operation code.
pub(crate) fn requests() -> Vec<(&'static str, i64, u64)> {
    let dataspace = |opcode: dataspace::Opcode| (label::DATASPACE, opcode.word());
    let region_map = |opcode: region_map::Opcode| (label::REGION_MAP, opcode.word());
    let dma_space = |opcode: dma_space::Opcode| (label::DMA_SPACE, opcode.word());
    let dma_manager = |opcode: dma_space::ManagerOpcode| (label::NONE, opcode.word());
    let inhibitor = |opcode: inhibitor::Opcode| (label::INHIBITOR, opcode.word());
    let event = |opcode: event::Opcode| (label::EVENT, opcode.word());
    let goos = |opcode: goos::Opcode| (label::GOOS, opcode.word());
    let namespace = |opcode: namespace::Opcode| (label::NAMESPACE, opcode.word());
    let mmio = |opcode: mmio_space::Opcode| (label::MMIO_SPACE, opcode.word());
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
        ("Dma_space.map", dma_space(dma_space::Opcode::Map)),
        ("Dma_space.unmap", dma_space(dma_space::Opcode::Unmap)),
        (
            "Dma_space_mgr.associate(",
            dma_manager(dma_space::ManagerOpcode::Associate),
        ),
        (
            "Dma_space_mgr.associate_phys",
            dma_manager(dma_space::ManagerOpcode::AssociatePhysical),
        ),
        (
            "Dma_space_mgr.set_limits",
            dma_manager(dma_space::ManagerOpcode::SetLimits),
        ),
        (
            "Parent.signal",
            (label::PARENT, parent::Opcode::Signal.word()),
        ),
        (
            "Mem_alloc.info",
            (label::MEM_ALLOC, mem_alloc::Opcode::Info.word()),
        ),
        ("Mmio_space.mmio_read", mmio(mmio_space::Opcode::Read)),
        ("Mmio_space.mmio_write", mmio(mmio_space::Opcode::Write)),
        (
            "Random.get_random",
            (label::NONE, random::Opcode::GetRandom.word()),
        ),
        ("Inhibitor.acquire", inhibitor(inhibitor::Opcode::Acquire)),
        ("Inhibitor.release", inhibitor(inhibitor::Opcode::Release)),
        ("Event.get_buffer", event(event::Opcode::GetBuffer)),
        (
            "Event.get_num_streams",
            event(event::Opcode::GetStreamCount),
        ),
        (
            "Event.get_stream_info(",
            event(event::Opcode::GetStreamInfo),
        ),
        (
            "Event.get_stream_info_for_id",
            event(event::Opcode::GetStreamInfoForId),
        ),
        (
            "Event.get_stream_state_for_id",
            event(event::Opcode::GetStreamState),
        ),
        ("Event.get_axis_info", event(event::Opcode::GetAxisInfo)),
        ("Goos.info", goos(goos::Opcode::Info)),
        (
            "Goos.get_static_buffer",
            goos(goos::Opcode::GetStaticBuffer),
        ),
        ("Goos.create_buffer", goos(goos::Opcode::CreateBuffer)),
        ("Goos.delete_buffer", goos(goos::Opcode::DeleteBuffer)),
        ("Goos.refresh", goos(goos::Opcode::Refresh)),
        ("Goos.view_info", goos(goos::Opcode::ViewInfo)),
        ("Goos.view_stack", goos(goos::Opcode::ViewStack)),
        ("Goos.view_refresh", goos(goos::Opcode::ViewRefresh)),
        ("Goos.create_view", goos(goos::Opcode::CreateView)),
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
