//! What is written is what is read, and nothing that is read makes the reader panic.

use proptest::prelude::*;
use system_description::writer::{Channel, Component, Dataspace, Grant, System};
use system_description::{
    CAPABILITY_NAME_MAX, CapabilityKind, Colour, Description, Error, NAME_MAX, PRIORITY_MAX,
    Restart, Rights, Runtime, VERSION, seal,
};

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

fn grants(list: &[system_description::Grant<'_>]) -> Vec<Grant> {
    list.iter()
        .map(|grant| Grant {
            component: grant.component as u32,
            rights: grant.rights,
            name: grant.name.to_owned(),
            args: texts(&grant.args),
        })
        .collect()
}

/// Reads everything there is; with it a test touches every field.
fn read_all(description: &Description<'_>) -> System {
    let components = description.components.iter().map(|component| Component {
        name: component.name.to_owned(),
        program: component.program.to_owned(),
        args: texts(&component.args),
        rom: texts(&component.rom),
        capabilities: component
            .capabilities
            .iter()
            .map(|capability| (capability.name.to_owned(), capability.kind))
            .collect(),
        memory: component.memory,
        kernel_memory: component.kernel_memory,
        cpus: component.cpus,
        priority: component.priority,
        colour: colour(component.colour),
        runtime: component.runtime,
        restart: component.restart,
        essential: component.essential,
        awaited: component.awaited,
    });
    let channels = description.channels.iter().map(|channel| Channel {
        name: channel.name.to_owned(),
        server: channel.server as u32,
        server_name: channel.server_name.to_owned(),
        per_client: channel.per_client,
        clients: grants(&channel.clients),
    });
    let dataspaces = description.dataspaces.iter().map(|dataspace| Dataspace {
        name: dataspace.name.to_owned(),
        size: dataspace.size,
        users: grants(&dataspace.users),
    });
    System {
        name: description.name.to_owned(),
        verbose: description.verbose,
        components: components.collect(),
        channels: channels.collect(),
        dataspaces: dataspaces.collect(),
    }
}

fn colour(name: &str) -> Colour {
    let mut all = Colour::ALL.into_iter();
    all.find(|colour| colour.name() == name).unwrap()
}

fn component(name: &str) -> Component {
    Component {
        name: name.to_owned(),
        program: "program".to_owned(),
        args: vec!["one".to_owned(), "two".to_owned()],
        rom: vec!["greeting.txt".to_owned()],
        capabilities: vec![("console".to_owned(), CapabilityKind::Console)],
        memory: 1 << 20,
        kernel_memory: 1 << 16,
        cpus: 1,
        priority: 10,
        colour: Colour::Cyan,
        runtime: Runtime::Native,
        restart: Restart::OnFailure { limit: 3 },
        essential: true,
        awaited: false,
    }
}

fn grant(component: u32) -> Grant {
    Grant {
        component,
        rights: Rights::READ,
        name: "ping".to_owned(),
        args: vec!["x".to_owned()],
    }
}

fn example() -> System {
    System {
        name: "example".to_owned(),
        verbose: false,
        components: vec![component("server"), component("client")],
        channels: vec![Channel {
            name: "ping".to_owned(),
            server: 0,
            server_name: "ping".to_owned(),
            per_client: true,
            clients: vec![grant(1)],
        }],
        dataspaces: vec![Dataspace {
            name: "shared".to_owned(),
            size: 8192,
            users: vec![grant(0), grant(1)],
        }],
    }
}

fn error_of(system: System) -> Error {
    system
        .write()
        .expect_err("an impossible system was accepted")
}

#[test]
fn the_example_is_read_as_written() {
    let block = example().write().unwrap();
    assert_eq!(read_all(&Description::parse(&block).unwrap()), example());
}

#[test]
fn zero_padding_to_the_end_of_a_page_is_allowed_and_other_padding_is_not() {
    let mut block = example().write().unwrap();
    block.resize(4096, 0);
    assert!(Description::parse(&block).is_ok());
    block[4095] = 1;
    assert_eq!(Description::parse(&block).unwrap_err(), Error::Length);
}

#[test]
fn every_single_flipped_bit_is_noticed() {
    let block = example().write().unwrap();
    for bit in 0..block.len() * 8 {
        let mut damaged = block.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Description::parse(&damaged).is_err(),
            "bit {bit} flipped unnoticed"
        );
    }
}

#[test]
fn every_truncation_is_noticed() {
    let block = example().write().unwrap();
    for length in 0..block.len() {
        assert!(
            Description::parse(&block[..length]).is_err(),
            "{length} bytes were accepted"
        );
    }
}

#[test]
fn another_version_is_named() {
    let mut block = example().write().unwrap();
    block[8] = 77;
    seal(&mut block);
    assert_eq!(Description::parse(&block).unwrap_err(), Error::Version(77));
}

#[test]
fn impossible_values_are_rejected() {
    let with = |change: fn(&mut System)| {
        let mut system = example();
        change(&mut system);
        error_of(system)
    };
    let damaged = |error| assert!(matches!(error, Error::Damaged(_)), "{error:?}");
    damaged(with(|s| s.components[0].priority = 0));
    damaged(with(|s| s.components[0].priority = PRIORITY_MAX + 1));
    damaged(with(|s| s.components[0].cpus = 0));
    damaged(with(|s| s.components[0].name = "with space".to_owned()));
    damaged(with(|s| s.components[0].name = "n".repeat(NAME_MAX + 1)));
    damaged(with(|s| s.components[1].name = "server".to_owned()));
    damaged(with(|s| s.components[0].args[0] = "zero\0byte".to_owned()));
    damaged(with(|s| s.channels[0].server = 2));
    damaged(with(|s| s.channels[0].clients[0].component = 2));
    damaged(with(|s| {
        s.channels[0].clients[0].name = "n".repeat(CAPABILITY_NAME_MAX + 1)
    }));
    damaged(with(|s| s.dataspaces[0].size = 4097));
    damaged(with(|s| s.dataspaces[0].size = 0));
    damaged(with(|s| {
        s.components = (0..129).map(|i| component(&format!("c{i}"))).collect()
    }));
}

fn any_name(max: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(b'!'..=b'~', 1..=max).prop_map(|b| String::from_utf8(b).unwrap())
}

fn any_texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[^\0]{0,12}", 0..4)
}

fn any_grants(components: u32) -> impl Strategy<Value = Vec<Grant>> {
    let rights = (0u8..8).prop_map(|bits| Rights::from_bits(bits << 1 | 1).unwrap());
    let grant = (
        0..components,
        rights,
        any_name(CAPABILITY_NAME_MAX),
        any_texts(),
    );
    let grant = grant.prop_map(|(component, rights, name, args)| Grant {
        component,
        rights,
        name,
        args,
    });
    proptest::collection::vec(grant, 0..4)
}

fn any_component() -> impl Strategy<Value = Component> {
    let texts = (any_name(NAME_MAX), any_texts(), any_texts());
    let sizes = (any::<u64>(), any::<u64>(), 1..=u64::MAX, 1..=PRIORITY_MAX);
    let restart = prop_oneof![
        Just(Restart::Never),
        any::<u32>().prop_map(|limit| Restart::OnFailure { limit }),
        Just(Restart::Always),
    ];
    let colour = (0..Colour::ALL.len()).prop_map(|index| Colour::ALL[index]);
    let runtime = prop_oneof![Just(Runtime::Native), Just(Runtime::L4re)];
    (
        texts,
        sizes,
        restart,
        colour,
        runtime,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(
                (program, args, rom),
                (memory, kernel_memory, cpus, priority),
                restart,
                colour,
                runtime,
                essential,
                awaited,
            )| Component {
                name: String::new(),
                program,
                args,
                rom,
                capabilities: vec![],
                memory,
                kernel_memory,
                cpus,
                priority,
                colour,
                runtime,
                restart,
                essential,
                awaited,
            },
        )
}

prop_compose! {
    fn any_system()(components in proptest::collection::vec(any_component(), 1..6))(
        channels in proptest::collection::vec(
            (any_name(NAME_MAX), 0..components.len() as u32, any_name(CAPABILITY_NAME_MAX),
             any::<bool>(), any_grants(components.len() as u32)), 0..4),
        dataspaces in proptest::collection::vec(
            (any_name(NAME_MAX), 1u64..1 << 40, any_grants(components.len() as u32)), 0..4),
        name in any_name(NAME_MAX),
        verbose in any::<bool>(),
        components in Just(components),
    ) -> System {
        let named = components.into_iter().enumerate();
        System {
            name,
            verbose,
            components: named.map(|(index, c)| Component { name: format!("c{index}"), ..c }).collect(),
            channels: channels.into_iter().map(|(name, server, server_name, per_client, clients)| {
                Channel { name, server, server_name, per_client, clients }
            }).collect(),
            dataspaces: dataspaces.into_iter().map(|(name, pages, users)| {
                Dataspace { name, size: pages * 4096, users }
            }).collect(),
        }
    }
}

proptest! {
    #[test]
    fn any_system_is_read_as_written(system in any_system()) {
        let block = system.write().unwrap();
        prop_assert_eq!(read_all(&Description::parse(&block).unwrap()), system);
    }

    /// Damage that a checksum would not show: whoever seals the block may be hostile.
    #[test]
    fn sealed_damage_never_panics(
        system in any_system(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut block = system.write().unwrap();
        for (index, value) in changes {
            let index = 16 + index.index(block.len() - 16);
            block[index] = value;
        }
        seal(&mut block);
        // All is read at once; what it says of names that are others' to know (colours) is not looked at.
        let _ = Description::parse(&block);
    }

    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Description::parse(&body).is_err());
        let mut block = b"brio-sys".to_vec();
        block.extend(VERSION.to_le_bytes());
        block.extend((body.len() as u32 + 20).to_le_bytes());
        block.extend(body);
        block.extend([0; 4]);
        seal(&mut block);
        let _ = Description::parse(&block);
    }
}
