//! Golden numbers: labels, errors, slots and constants, against the tables of the ABI pages.
//!
//! Operation codes are checked by the wire vectors; here are those that no vector shows.

use l4_abi::capability::{Selector, slot};
use l4_abi::error::{IpcError, ResultCode};
use l4_abi::flexpage::Flexpage;
use l4_abi::operation::Operation;
use l4_abi::protocol::*;
use l4_abi::timeout::TimeoutPair;
use l4_abi::{arch, l4re, utcb, vcpu};

#[test]
fn labels() {
    assert_eq!(
        [
            label::IRQ,
            label::PAGE_FAULT,
            label::EXCEPTION,
            label::SIGMA0,
            label::IO_PAGE_FAULT,
            label::THREAD_GROUP,
            label::KERNEL_OBJECT,
            label::TASK,
            label::THREAD,
            label::LOG,
            label::SCHEDULER,
            label::FACTORY,
            label::VM,
            label::DMA_SPACE_KERNEL,
            label::IRQ_SENDER,
            label::SEMAPHORE,
            label::META,
            label::IOMMU,
            label::DEBUGGER,
            label::SMC,
            label::VCPU_CONTEXT,
        ],
        [
            -1, -2, -5, -6, -8, -9, -10, -11, -12, -13, -14, -15, -16, -17, -18, -20, -21, -22,
            -23, -24, -25
        ]
    );
    assert_eq!(
        [
            label::DATASPACE,
            label::NAMESPACE,
            label::PARENT,
            label::GOOS,
            label::REGION_MAP,
            label::EVENT,
            label::INHIBITOR,
            label::DMA_SPACE,
            label::MMIO_SPACE,
            label::ITAS,
            label::MEM_ALLOC,
            label::REMOTE_ACCESS,
            label::DEBUG,
        ],
        [
            0x4000, 0x4001, 0x4002, 0x4003, 0x4005, 0x4006, 0x4007, 0x4008, 0x4009, 0x400a, 0x400b,
            0x400c, -0x8000
        ]
    );
}

#[test]
fn result_codes() {
    let table = [
        (ResultCode::EPERM, 1, "EPERM"),
        (ResultCode::ENOENT, 2, "ENOENT"),
        (ResultCode::EIO, 5, "EIO"),
        (ResultCode::ENXIO, 6, "ENXIO"),
        (ResultCode::E2BIG, 7, "E2BIG"),
        (ResultCode::EAGAIN, 11, "EAGAIN"),
        (ResultCode::ENOMEM, 12, "ENOMEM"),
        (ResultCode::EACCESS, 13, "EACCESS"),
        (ResultCode::EFAULT, 14, "EFAULT"),
        (ResultCode::EBUSY, 16, "EBUSY"),
        (ResultCode::EEXIST, 17, "EEXIST"),
        (ResultCode::ENODEV, 19, "ENODEV"),
        (ResultCode::ENOTDIR, 20, "ENOTDIR"),
        (ResultCode::EINVAL, 22, "EINVAL"),
        (ResultCode::ENOSPC, 28, "ENOSPC"),
        (ResultCode::ERANGE, 34, "ERANGE"),
        (ResultCode::ENAMETOOLONG, 36, "ENAMETOOLONG"),
        (ResultCode::ENOSYS, 38, "ENOSYS"),
        (ResultCode::EBADPROTO, 39, "EBADPROTO"),
        (ResultCode::EADDRNOTAVAIL, 99, "EADDRNOTAVAIL"),
        (ResultCode::ERRNOMAX, 100, "ERRNOMAX"),
        (ResultCode::ENOREPLY, 1000, "ENOREPLY"),
        (ResultCode::EMSGTOOSHORT, 1001, "EMSGTOOSHORT"),
        (ResultCode::EMSGTOOLONG, 1002, "EMSGTOOLONG"),
        (ResultCode::EMSGMISSARG, 1003, "EMSGMISSARG"),
        (ResultCode::EMSGERRRANGE, 1004, "EMSGERRRANGE"),
        (ResultCode::EDROPREPLY, 1005, "EDROPREPLY"),
    ];
    for (code, number, name) in table {
        assert_eq!(code.code(), number);
        assert_eq!(code.label(), -i64::from(number));
        assert_eq!(ResultCode::from_label(code.label()), Some(code));
        assert_eq!(code.to_string(), name);
    }
}

#[test]
fn ipc_errors() {
    let table = [
        (IpcError::SEND_TIMEOUT, IpcError::RECEIVE_TIMEOUT, 0x02),
        (IpcError::SEND_CANCELED, IpcError::RECEIVE_CANCELED, 0x06),
        (IpcError::SEND_OVERFLOW, IpcError::RECEIVE_OVERFLOW, 0x08),
        (IpcError::SEND_ABORTED, IpcError::RECEIVE_ABORTED, 0x0e),
        (
            IpcError::SEND_MAP_FAILED,
            IpcError::RECEIVE_MAP_FAILED,
            0x10,
        ),
    ];
    for (send, receive, number) in table {
        assert_eq!(send.word(), number);
        assert_eq!(send.for_receiver(), receive);
        assert!(!send.is_receive() && receive.is_receive());
    }
    assert_eq!(IpcError::NOT_EXISTENT.word(), 0x04);
    assert_eq!(IpcError::NO_REPLY_CAPABILITY.word(), 0x13);
}

#[test]
fn slots() {
    assert_eq!(
        [
            slot::TASK,
            slot::FACTORY,
            slot::THREAD,
            slot::PAGER,
            slot::LOG,
            slot::ICU,
            slot::SCHEDULER,
            slot::IOMMU,
            slot::DEBUGGER,
            slot::SMC,
        ],
        [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    );
    assert_eq!(Selector::new(slot::FIRST_FREE).raw(), 0xc000);
    use l4re::slot as program;
    assert_eq!(
        [
            program::REGION_MAP,
            program::MEM_ALLOC,
            program::NAMES,
            program::PARENT,
            program::KIP,
            program::DBG_EVENTS,
            program::FIRST_NAMED,
        ],
        [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16]
    );
}

#[test]
fn special_words() {
    assert_eq!(Selector::INVALID.raw(), 0xffff_ffff_ffff_f800);
    assert_eq!(Selector::INVALID_REPLY.raw(), 0xffff_ffff_ffff_fc00);
    assert_eq!(Flexpage::ALL_SPACES.raw(), 0xfc0);
    assert_eq!(Flexpage::whole_memory().raw(), 0xfd0);
    assert_eq!(TimeoutPair::NEVER.raw(), 0);
    assert_eq!(TimeoutPair::RECEIVE_ZERO.raw(), 0x0000_0400);
    assert_eq!(TimeoutPair::SEND_ZERO.raw(), 0x0400_0000);
    assert_eq!(TimeoutPair::BOTH_ZERO.raw(), 0x0400_0400);
    assert_eq!(Operation::CALL.bits(), 0x3);
    assert_eq!(Operation::WAIT.bits(), 0x6);
    assert_eq!(Operation::SEND_AND_WAIT.bits(), 0x7);
    assert_eq!(Operation::REPLY_AND_WAIT.bits(), 0xf);
}

#[test]
fn faults_and_exceptions_have_the_recorded_tags() {
    use l4_abi::exception;
    let x86_64 = exception::tag(arch::x86_64::exception::FRAME_WORDS);
    let aarch64 = exception::tag(arch::aarch64::exception::FRAME_WORDS);
    assert_eq!(x86_64.raw(), 0xffff_ffff_fffb_101a);
    assert_eq!(aarch64.raw(), 0xffff_ffff_fffb_1028);
    assert_eq!(exception::PAGE_FAULT_TAG.raw(), 0xffff_ffff_fffe_0002);
}

#[test]
fn sigma0_requests() {
    use sigma0::Request;
    assert_eq!(Request::Ram.request_word(), 0xffff_ffff_ffff_ff60);
    assert_eq!(Request::Kip.request_word(), 0xffff_ffff_ffff_ffa0);
    assert_eq!(
        Request::from_request_word(0xffff_ffff_ffff_ff90),
        Some(Request::AnyRam)
    );
    assert_eq!(Request::from_request_word(0xffff_ffff_ffff_ffb0), None);
    assert_eq!(Request::from_request_word(0x60), None);
}

#[test]
fn operations_without_a_vector() {
    assert_eq!(task::Opcode::MapVirtualGic.word(), 0x12);
    assert_eq!(thread::Opcode::RegisterDoorbellIrq.word(), 8);
    assert_eq!(thread::OpcodeArm::SetTpidrro.word(), 0x10);
    assert_eq!(thread::TrampolineOpcode::Disable.word(), 3);
    assert_eq!(thread::TrampolineOpcode::Enable.word(), 4);
    assert_eq!(thread::ExRegsFlags::TRIGGER_EXCEPTION.bits(), 0x2_0000);
    assert_eq!(thread::ControlFlags::ALIEN.bits(), 0x40_0000);
    assert_eq!(irq::Opcode::Trigger.word(), 2);
    assert_eq!(irq::SenderOpcode::BindVcpu.word(), 2);
    assert_eq!(platform_control::Shutdown::PowerOff.word(), 0);
    assert_eq!(platform_control::Opcode::SetTaskAsid.word(), 0x10);
    assert_eq!(factory::ObjectType::Vm.word() as i64, -16);
    assert_eq!(factory::ObjectType::DmaSpace.word() as i64, -17);
    assert_eq!(factory::ObjectType::Semaphore.word() as i64, -20);
    assert_eq!(factory::ObjectType::VcpuContext.word() as i64, -25);
}

#[test]
fn unknown_operations_are_refused() {
    assert_eq!(task::Opcode::from_word(4), None);
    assert_eq!(task::Opcode::from_word(1 << 32), None);
    assert_eq!(thread::Opcode::from_word(0x0f), None);
    assert_eq!(irq::SenderOpcode::from_word(0), None);
    assert_eq!(factory::ObjectType::from_word(-9_i64 as u64), None);
    assert_eq!(factory::ObjectType::from_word(0x4000), None);
}

#[test]
fn a_gate_is_created_by_either_label() {
    use factory::ObjectType;
    assert_eq!(ObjectType::from_word(0), Some(ObjectType::IpcGate));
    assert_eq!(
        ObjectType::from_word(label::KERNEL_OBJECT as u64),
        Some(ObjectType::IpcGate)
    );
}

#[test]
fn layout_constants() {
    assert_eq!(
        (utcb::MESSAGE_REGISTERS, utcb::BUFFER_REGISTERS, utcb::SIZE),
        (63, 58, 1024)
    );
    assert_eq!((utcb::AREA_MIN_ORDER, utcb::AREA_MAX_ORDER), (12, 17));
    assert_eq!(arch::x86_64::INITIAL_UTCB, 0x0000_007f_ff00_0000);
    assert_eq!(
        (arch::x86_64::vcpu::VERSION, arch::aarch64::vcpu::VERSION),
        (0x26, 0x38)
    );
    assert_eq!(vcpu::StateFlags::all().bits(), 0xa7);
    assert_eq!(l4re::UTCB_AREA_START, 0xb300_0000);
    assert_eq!(l4re::KIP_ADDRESS, 0x6fff_f000);
    assert_eq!(log::WRITE_SIZE, 488);
}
