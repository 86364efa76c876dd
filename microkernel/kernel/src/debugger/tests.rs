//! The debugger on a kernel of a test: what its object answers, and what the
//! views show.

use l4_abi::capability::slot;
use l4_abi::error::ResultCode;
use l4_abi::protocol::debugger::{ConsoleOpcode, ObjectOpcode, group};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;

use super::terminal::Keys;
use super::{Line, command};
use crate::object::Ref;
use crate::object::thread::Thread;
use crate::testing::{Doing, Syscall, TEST_MEMORY, TestTask, World, run};

struct Setup {
    task: TestTask,
    user: Ref<Thread>,
    debugger: u64,
}

impl Setup {
    fn new(world: &mut World) -> Self {
        let task = world.task();
        Self {
            user: world.thread(&task, 10),
            debugger: world.give_initial(&task, slot::DEBUGGER),
            task,
        }
    }

    /// An operation, perhaps on the object in a slot of the user's task.
    fn call(&self, world: &mut World, words: &[u64], argument: Option<u64>) -> i64 {
        world.invoke(&self.user, self.debugger, label::DEBUGGER, words, argument)
    }

    fn set_name(&self, world: &mut World, object: u64, name: &str) -> i64 {
        let mut words = vec![ObjectOpcode::SetName.word()];
        words.extend(text(name));
        self.call(world, &words, Some(object))
    }
}

/// As message words, with a zero byte at the end.
fn text(text: &str) -> Vec<u64> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize((text.len() + 1).next_multiple_of(8), 0);
    let words = bytes.as_chunks::<8>().0;
    words
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
        .collect()
}

/// What a command shows.
fn shown(world: &World, line: &str) -> String {
    world.cpu.kernel.platform.console.take_output();
    command::execute(world.cpu, line);
    let output = world.cpu.kernel.platform.console.take_output();
    String::from_utf8(output)
        .expect("text")
        .replace("\r\n", "\n")
}

const fn code(error: ResultCode) -> i64 {
    error.label()
}

#[test]
fn objects_have_names_and_numbers() {
    run(|world| {
        let setup = Setup::new(world);
        let gate = world.gate(0x40, &setup.user);
        let gate = world.give_full(&setup.task, gate.header());
        let names = [ObjectOpcode::GetName.word()];
        assert_eq!(
            setup.call(world, &names, Some(gate)),
            code(ResultCode::ENOENT)
        );
        assert_eq!(setup.set_name(world, gate, "ping"), 0);
        assert_eq!(setup.call(world, &names, Some(gate)), 0);
        assert_eq!(world.word(&setup.user, 0), text("ping")[0]);

        let number = [ObjectOpcode::GlobalId.word()];
        assert_eq!(setup.call(world, &number, Some(gate)), 0);
        let number = world.word(&setup.user, 0);
        let by_number = [ObjectOpcode::NameOfId.word(), number];
        assert_eq!(setup.call(world, &by_number, Some(setup.debugger)), 0);
        assert_eq!(world.word(&setup.user, 0), text("ping")[0]);
        let nobody = [ObjectOpcode::NameOfId.word(), u64::MAX];
        assert_eq!(
            setup.call(world, &nobody, Some(setup.debugger)),
            code(ResultCode::ENOENT)
        );
        // The number of a thread is the one that messages are for.
        let own = world.give_full(&setup.task, setup.user.header());
        let number = [ObjectOpcode::GlobalId.word()];
        assert_eq!(setup.call(world, &number, Some(own)), 0);
        assert_eq!(world.word(&setup.user, 0), setup.user.id);
    });
}

#[test]
fn a_long_name_is_cut_and_no_name_reaches_the_terminal_as_control_characters() {
    run(|world| {
        let setup = Setup::new(world);
        let own = world.give_full(&setup.task, setup.user.header());
        assert_eq!(setup.set_name(world, own, "a name of more than sixteen"), 0);
        assert!(shown(world, "threads").contains("a?name?of?more?t"));
        assert_eq!(setup.set_name(world, own, "\x1b[2J\n@brio exit 0"), 0);
        let lines = shown(world, "threads");
        assert!(lines.contains("?[2J?@brio?exit?"), "{lines}");
        // What came before is gone.
        assert_eq!(setup.set_name(world, own, ""), 0);
        assert!(!shown(world, "threads").contains("brio"));
    });
}

#[test]
fn no_kernel_address_has_a_number() {
    run(|world| {
        let setup = Setup::new(world);
        let address = core::ptr::from_ref(setup.user.header()) as u64;
        let words = [ObjectOpcode::PointerToId.word(), address];
        assert_eq!(setup.call(world, &words, Some(setup.debugger)), 0);
        assert_eq!(world.word(&setup.user, 0), u64::MAX);
    });
}

#[test]
fn wrong_requests_are_refused() {
    run(|world| {
        let setup = Setup::new(world);
        let (user, debugger) = (setup.user.clone(), setup.debugger);
        let result = world.invoke(&user, debugger, label::FACTORY, &[0x100], None);
        assert_eq!(result, code(ResultCode::EBADPROTO));
        // Group 1 is about an object.
        let names = [ObjectOpcode::GetName.word()];
        assert_eq!(setup.call(world, &names, None), code(ResultCode::EINVAL));
        assert_eq!(
            setup.call(world, &names, Some(0xfff)),
            code(ResultCode::EINVAL)
        );
        for (words, error) in [
            (
                &[ConsoleOpcode::OutHex8.word()][..],
                ResultCode::EMSGTOOSHORT,
            ),
            (&[9, 0], ResultCode::ENOSYS),
            (&[group::TRACE + 1, 0], ResultCode::ENOSYS),
            (&[group::COVERAGE], ResultCode::ENOSYS),
            (&[group::KERNEL_MEMORY + 1], ResultCode::ENOSYS),
        ] {
            assert_eq!(setup.call(world, words, None), code(error), "{words:x?}");
        }
        for (words, error) in [
            (&[0x109][..], ResultCode::ENOSYS),
            (
                &[ObjectOpcode::ObjectInfo.word(), 0, 0, 0],
                ResultCode::ENOSYS,
            ),
            (&[ObjectOpcode::LogTypeId.word(), 1, 0], ResultCode::EINVAL),
            (&[ObjectOpcode::LogSwitch.word(), 1, 0], ResultCode::EINVAL),
            (
                &[ObjectOpcode::QueryLogName.word(), 1, 0],
                ResultCode::EINVAL,
            ),
            // Images are loaded into tasks only.
            (
                &[ObjectOpcode::AddImageInfo.word(), 0, 0],
                ResultCode::ENOSYS,
            ),
        ] {
            let result = setup.call(world, words, Some(debugger));
            assert_eq!(result, code(error), "{words:x?}");
        }
    });
}

#[test]
fn numbers_and_text_are_written_to_the_console() {
    run(|world| {
        let setup = Setup::new(world);
        world.cpu.kernel.platform.console.take_output();
        for (operation, value) in [
            (ConsoleOpcode::OutHex32, 0x1_2345_6789),
            (ConsoleOpcode::OutHex20, 0xabcde),
            (ConsoleOpcode::OutHex16, 0x1_0002),
            (ConsoleOpcode::OutHex12, 0x1abc),
            (ConsoleOpcode::OutHex8, 0x3ff),
            (ConsoleOpcode::OutDecimal, 42),
            (ConsoleOpcode::OutCharacter, u64::from(b'!')),
        ] {
            assert_eq!(setup.call(world, &[operation.word(), value], None), 0);
        }
        let words = [vec![ConsoleOpcode::OutString.word(), 3], text("line")].concat();
        assert_eq!(setup.call(world, &words, None), 0);
        let output = world.cpu.kernel.platform.console.take_output();
        assert_eq!(output, b"23456789abcde0002abcff42!lin");
    });
}

#[test]
fn programs_of_a_task_are_kept_at_the_cost_of_its_quota() {
    run(|world| {
        let setup = Setup::new(world);
        let own = world.give_full(&setup.task, setup.task.header());
        let before = world.used();
        for base in 0..16 {
            let mut words = vec![ObjectOpcode::AddImageInfo.word(), base << 12];
            words.extend(text("hello"));
            assert_eq!(setup.call(world, &words, Some(own)), 0);
        }
        assert!(world.used() > before);
        let one_more = [ObjectOpcode::AddImageInfo.word(), 0, 0];
        let result = setup.call(world, &one_more, Some(own));
        assert_eq!(result, code(ResultCode::ENOMEM));
        let number = setup.task.header().common().debug.number();
        let object = shown(world, &format!("object {number}"));
        assert!(object.contains("program hello at 0xf000"), "{object}");
        // The rest, that it is given back, is checked at the end of each test.
    });
}

#[test]
fn a_program_enters_the_debugger_and_goes_on_after_it() {
    run(|world| {
        let setup = Setup::new(world);
        let console = &world.cpu.kernel.platform.console;
        console.take_output();
        console.type_bytes(b"thx\x7freads\rnonsense\r go \r");
        assert_eq!(setup.call(world, &[], None), 0);
        let output = world.cpu.kernel.platform.console.take_output();
        let output = String::from_utf8(output).expect("text");
        assert!(output.contains("called by a program"));
        assert!(output.contains("what it does"));
        assert!(output.contains("`nonsense`?"));
        assert!(world.runs(&setup.user));
    });
}

#[test]
fn a_text_can_be_a_command() {
    run(|world| {
        let setup = Setup::new(world);
        world.cpu.kernel.platform.console.take_output();
        let command = [vec![ConsoleOpcode::Enter.word(), 64], text("*#irqs;ready")].concat();
        assert_eq!(setup.call(world, &command, None), 0);
        let output = world.cpu.kernel.platform.console.take_output();
        let output = String::from_utf8(output).expect("text");
        assert!(output.contains("the chip has 64 pins"), "{output}");
        assert!(output.contains(&format!("thread #{} runs", setup.user.id)));
    });
}

#[test]
fn threads_are_shown_with_what_they_wait_for() {
    run(|world| {
        let setup = Setup::new(world);
        let (server, client) = (world.thread(&setup.task, 30), world.thread(&setup.task, 20));
        let gate = world.unbound_gate();
        let slot = world.give_full(&setup.task, gate.header());
        assert!(matches!(
            world.syscall(&server, Syscall::wait()),
            Doing::Waits(_)
        ));
        assert!(matches!(
            world.syscall(&client, Syscall::call(slot)),
            Doing::Waits(_)
        ));
        let lines = shown(world, "threads");
        let line_of = |thread: &Thread| {
            let number = format!("{:>6} ", thread.id);
            let line = lines.lines().find(|line| line.starts_with(&number));
            line.expect("it is there").to_owned()
        };
        assert!(line_of(&server).contains("30  receives from anyone"));
        let number = gate.header().common().debug.number();
        assert!(line_of(&client).contains(&format!("waits until gate #{number} is bound")));
        assert!(
            line_of(&setup.user).contains("10  runs") || line_of(&setup.user).contains("ready")
        );
        let one = shown(world, &format!("thread {}", server.id));
        assert!(
            one.contains("receives from anyone") && one.contains("priority 30"),
            "{one}"
        );
        assert!(shown(world, "thread 999999").contains("no thread #999999"));
        assert!(shown(world, "thread").contains("It is `thread N`."));
    });
}

#[test]
fn timeouts_and_senders_are_shown() {
    run(|world| {
        let setup = Setup::new(world);
        let sender = world.thread(&setup.task, 20);
        let own = world.give_full(&setup.task, setup.user.header());
        let timeout = l4_abi::timeout::Timeout::from_micros(100);
        let call = Syscall::send(own).send_timeout(timeout);
        assert!(matches!(world.syscall(&sender, call), Doing::Waits(_)));
        assert!(shown(world, "timeouts").contains(&format!("thread #{}", sender.id)));
        let receiver = shown(world, &format!("thread {}", setup.user.id));
        assert!(
            receiver.contains(&format!("senders: #{}", sender.id)),
            "{receiver}"
        );
        let ready = shown(world, "ready");
        assert!(
            ready.contains(&format!("thread #{} runs", setup.user.id)),
            "{ready}"
        );
    });
}

#[test]
fn capabilities_are_shown_with_rights_and_holders() {
    run(|world| {
        let setup = Setup::new(world);
        let other = world.task();
        let slot = world.give(&other, setup.user.header(), CapabilityRights::RWS);
        let task = other.header().common().debug.number();
        let lines = shown(world, &format!("capabilities {task}"));
        let expected = format!("{slot:>5x} RWS--c thread     #{}", setup.user.id);
        assert!(lines.contains(&expected), "{lines}");
        let object = shown(world, &format!("object {}", setup.user.id));
        let expected = format!("capability {slot:#x} of task #{task}: RWS--c");
        assert!(object.contains(&expected), "{object}");
    });
}

#[test]
fn pages_are_shown_with_where_they_came_from_and_went() {
    run(|world| {
        let setup = Setup::new(world);
        let other = world.task();
        world.give_memory(&setup.task, 0x40_0000);
        let item = l4_abi::item::MapItem::memory(0x40_1000, 12, l4_abi::rights::MemoryRights::RX);
        let window =
            l4_abi::flexpage::Flexpage::memory(0x7000, 12, l4_abi::rights::MemoryRights::empty());
        let mapped = world.map(&setup.task.task, &other.task, item, window);
        assert_eq!(mapped, Ok(true));
        let number = |task: &TestTask| task.header().common().debug.number();
        let own = number(&setup.task);
        let lines = shown(world, &format!("mappings {own}"));
        // All pages in one line.
        let expected =
            format!("0x000000400000 - 0x00000047ffff      512 KiB rwx at {TEST_MEMORY:#x}");
        assert!(lines.contains(&expected), "{lines}");
        let page = shown(world, &format!("page {own} 0x401008"));
        assert!(page.contains("from task"), "{page}");
        let to = format!("to task #{}: 0x7000, 4 KiB", number(&other));
        assert!(page.contains(&to), "{page}");
        let page = shown(world, &format!("page {} 0x7000", number(&other)));
        assert!(page.contains("4 KiB r-x"), "{page}");
        assert!(
            page.contains(&format!("from task #{own}: 0x401000")),
            "{page}"
        );
        let none = shown(world, &format!("page {own} 0x10"));
        assert!(none.contains("Nothing is mapped there"), "{none}");
    });
}

#[test]
fn every_command_shows_something_and_survives_nonsense() {
    run(|world| {
        let _setup = Setup::new(world);
        for name in shown(world, "help")
            .lines()
            .filter_map(|line| line.split(' ').nth(2))
        {
            for arguments in ["", "0", "1 2", "x", "99999999999999999999", "-1", "0x 0x"] {
                let line = format!("{name} {arguments}");
                assert!(!shown(world, &line).is_empty(), "{line}");
            }
        }
    });
}

#[test]
fn input_for_others_is_kept_in_order_and_never_overflows() {
    let mut keys = Keys::new();
    (0..=255).for_each(|byte| keys.put(byte));
    keys.put(b'x');
    assert_eq!((keys.take(), keys.take()), (Some(0), Some(1)));
    keys.put(b'y');
    let rest: Vec<u8> = core::iter::from_fn(|| keys.take()).collect();
    assert_eq!((rest.len(), rest[0], rest[254]), (255, 2, b'y'));
    assert!(keys.is_empty());
}

#[test]
fn a_line_takes_what_fits() {
    let mut line = Line::of(&[b'a'; 200]);
    assert_eq!(line.text().len(), 128);
    assert!(!line.push(b'b'));
    (0..128).for_each(|_| assert!(line.pop()));
    assert!(!line.pop() && line.is_empty());
}
