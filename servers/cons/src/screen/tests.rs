use super::*;

/// What is shown, with the number of the console before it.
fn shown(act: impl FnOnce(&mut Show<'_>)) -> Vec<String> {
    let mut lines = vec![];
    act(&mut |number, line| {
        let line = String::from_utf8_lossy(line);
        lines.push(number.map_or(line.to_string(), |number| format!("{number}: {line}")));
    });
    lines
}

fn keys(screen: &mut Screen, keys: &[u8]) -> Vec<String> {
    shown(|show| {
        for key in keys {
            screen.key(*key, show);
        }
    })
}

fn write(screen: &mut Screen, number: usize, text: &[u8]) -> Vec<String> {
    shown(|show| screen.write(number, text, show))
}

fn read(screen: &mut Screen, number: usize) -> Vec<u8> {
    let mut bytes = [0; 16];
    let count = screen.read(number, &mut bytes);
    bytes[..count].to_vec()
}

/// Two consoles that are heard, and one between them that is not.
fn screen() -> Screen {
    let mut screen = Screen::default();
    for (number, name) in ["one", "mute", "two"].into_iter().enumerate() {
        assert_eq!(screen.add(name), Ok(number));
    }
    screen.hear(0, &mut |_, _| {});
    screen.hear(2, &mut |_, _| {});
    screen
}

#[test]
fn keys_go_to_one_console_until_another_is_chosen() {
    let mut screen = screen();
    keys(&mut screen, b"ab");
    assert_eq!(read(&mut screen, 0), b"ab");
    assert_eq!(keys(&mut screen, b"\x14n"), ["keys go to two"]);
    assert_eq!(screen.key(b'c', &mut |_, _| {}), Some(2));
    assert_eq!(read(&mut screen, 2), b"c");
    assert_eq!(keys(&mut screen, b"\x14n"), ["keys go to one"]);
    assert_eq!(keys(&mut screen, b"\x142"), ["keys go to mute"]);
    assert_eq!(keys(&mut screen, b"\x149"), [HELP]);
    keys(&mut screen, b"\x14t");
    assert_eq!(read(&mut screen, 1), [PREFIX]);
    let list = keys(&mut screen, b"\x14l");
    assert_eq!(list, ["  1 one", "* 2 mute", "  3 two"]);
}

#[test]
fn the_keys_go_to_who_listens_first() {
    let mut screen = Screen::default();
    assert_eq!(screen.key(b'a', &mut |_, _| {}), None);
    assert_eq!(keys(&mut screen, b"\x14n\x14h\x14l"), [""; 0]);
    screen.add("mute").unwrap();
    screen.add("one").unwrap();
    assert_eq!(keys(&mut screen, b"\x14n"), ["keys go to mute"]);
    let mut shown = vec![];
    for number in [1, 0, 1] {
        screen.hear(number, &mut |_, line| shown.push(line.to_vec()));
    }
    assert_eq!(shown, [b"keys go to one"]);
    assert_eq!(screen.key(b'b', &mut |_, _| {}), Some(1));
    assert_eq!((screen.find("one"), screen.find("two")), (Some(1), None));
}

#[test]
fn lines_are_shown_when_they_end_or_are_full() {
    let mut screen = screen();
    assert!(write(&mut screen, 0, b"hello, ").is_empty());
    assert_eq!(write(&mut screen, 2, b"x\n\n"), ["2: x", "2: "]);
    assert_eq!(write(&mut screen, 0, b"world\r\n"), ["0: hello, world"]);
    let long = write(&mut screen, 0, &[b'z'; 3 * LINE]);
    assert!(long.len() == 2 && long[0].len() == LINE + 3);
    assert!(write(&mut screen, 9, b"x\n").is_empty());
}

#[test]
fn a_prompt_is_shown_when_it_is_answered_and_the_echo_stays_one_line() {
    let mut screen = screen();
    write(&mut screen, 0, b"$ ");
    assert_eq!(keys(&mut screen, b"l"), ["0: $ "]);
    write(&mut screen, 0, b"l");
    assert!(keys(&mut screen, b"s\r").is_empty());
    assert_eq!(write(&mut screen, 0, b"s\r\n# "), ["0: ls"]);
    assert_eq!(
        keys(&mut screen, b"\x14n\x14n")[1..],
        ["keys go to one", "0: # "]
    );
}

#[test]
fn history_and_search_find_lines_again() {
    let mut screen = screen();
    // With the newline 100 bytes each.
    let most = HISTORY / 100;
    for number in 0..most + 10 {
        write(&mut screen, 0, format!("{number:099}\n").as_bytes());
    }
    write(&mut screen, 2, b"another 0000018\n");
    let history = keys(&mut screen, b"\x14h");
    assert_eq!(history.len(), 1 + most);
    assert_eq!(history[0], "history of one:");
    assert_eq!(history[1], format!("0: {:099}", 10));
    let found = keys(&mut screen, b"\x14/0000018\r");
    assert_eq!(found[..2], ["search for:", "2 lines with `0000018`:"]);
    assert_eq!(found[3], "2: another 0000018");
    assert!(read(&mut screen, 0).is_empty());
    assert_eq!(
        keys(&mut screen, b"\x14/nowhere\r")[1..],
        ["0 lines with `nowhere`:"]
    );
    assert!(keys(&mut screen, b"\x14/\r").len() > 10);
}

#[test]
fn what_nobody_reads_does_not_pile_up() {
    let mut screen = screen();
    for _ in 0..1000 {
        write(&mut screen, 0, &[b'y'; LINE + 1]);
        write(&mut screen, 2, b"\n\n\n");
    }
    keys(&mut screen, &[b'x'; 2 * INPUT]);
    for console in &screen.consoles {
        assert_eq!(console.history.0.capacity(), HISTORY);
        assert_eq!(console.line.capacity(), LINE);
        assert_eq!(console.input.capacity(), INPUT);
    }
    let mut bytes = [0; 2 * INPUT];
    assert_eq!(screen.read(0, &mut bytes), INPUT);
    assert!(!screen.has_input(0));
}
