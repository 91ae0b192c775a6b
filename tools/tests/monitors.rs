//! Does `monitor` understand a board, and hold on to its line? A pseudo-terminal is the serial line, its far end the board.
#![forbid(unsafe_code)]

#[path = "monitors/desk.rs"]
mod desk;

use desk::{Desk, Heard, PATIENCE, UP_AND_RUNNING, Watch, image_that_logs, pseudo_terminal};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::symlink, process::ExitStatusExt},
    },
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// FL-08: text passes as it is, a log frame becomes a line, wherever the line cuts them.
#[test]
fn text_and_records() {
    let desk = Desk::new();
    fs::write(desk.path("image.elf"), image_that_logs()).unwrap();
    let mut board = desk.plug();
    let elf = desk.path("image.elf");
    let mut watch = Watch::start(&mut desk.monitor(&["--elf", elf.to_str().unwrap()]));
    board.says(b"Tophalf\r\n");
    watch.out.wait_for("Tophalf\r\n");
    for byte in UP_AND_RUNNING {
        board.says(&[*byte]);
    }
    watch.out.wait_for("INFO  up and running\n");
    board.says(b"tophalf> ");
    watch.out.wait_for("tophalf> ");
    assert_eq!(watch.end().0, Some(128 + 15));
}

/// FL-08: without an image's strings the text is there all the same, and a record is not lost silently.
#[test]
fn an_image_without_strings() {
    let desk = Desk::new();
    let mut board = desk.plug();
    let mut watch = desk.watch(&[]);
    board.says(UP_AND_RUNNING);
    watch.out.wait_for("a log frame of 2 bytes cannot be decoded");
    board.says(b"text");
    watch.out.wait_for("text");
}

/// FL-09: piped input arrives byte for byte, control characters too; then the monitor ends by itself.
#[test]
fn piped_input_arrives() {
    let desk = Desk::new();
    let mut board = desk.plug();
    let mut tool = desk.monitor(&["--elf", env!("CARGO_BIN_EXE_tophalf")]);
    let mut watch = Watch::start(tool.stdin(Stdio::piped()));
    // Before the input ends: from then on the board's silence is timed.
    board.says(b"tophalf> ");
    watch.out.wait_for("tophalf> ");
    let input: Vec<u8> = (0..=255).collect();
    watch.child.stdin.take().unwrap().write_all(&input).unwrap();
    assert_eq!(board.hears(input.len()), input);
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
}

/// FL-10: an adapter that is pulled is missed and told; what was cut is not mixed with what comes after it is back.
#[test]
fn an_adapter_is_pulled_and_comes_back() {
    let desk = Desk::new();
    let raw = desk.path("raw");
    let mut board = desk.plug();
    let mut watch = desk.watch(&["--raw", raw.to_str().unwrap()]);
    for round in ["first", "second"] {
        board.says(b"cut\r\n\xFF\0\x01");
        // Not before it has come: what is on its way goes with the adapter.
        let limit = Instant::now() + PATIENCE;
        while !fs::read(&raw).unwrap().ends_with(b"\xFF\0\x01") {
            assert!(Instant::now() < limit, "only {:?}", fs::read(&raw));
            thread::sleep(Duration::from_millis(5));
        }
        // The name goes first: the device's number may be given to anybody.
        fs::remove_file(desk.path("port")).unwrap();
        drop(board);
        watch.out.wait_for("ends within a log frame");
        watch.out.wait_for("is gone: waiting for it to come back");
        board = desk.plug();
        watch.out.wait_for("port is back");
        board.says(format!("{round} time\r\n").as_bytes());
        watch.out.wait_for(&format!("{round} time\r\n"));
    }
    let (status, shown) = watch.end();
    assert_eq!(status, Some(128 + 15));
    assert_eq!(shown.matches(" is back").count(), 2, "{shown}");
}

/// FL-10: piped input waits for an adapter that is out.
#[test]
fn input_waits_for_the_adapter() {
    let desk = Desk::new();
    let board = desk.plug();
    let mut tool = desk.monitor(&["--elf", env!("CARGO_BIN_EXE_tophalf")]);
    let mut watch = Watch::start(tool.stdin(Stdio::piped()));
    fs::remove_file(desk.path("port")).unwrap();
    drop(board);
    watch.out.wait_for("is gone");
    let mut keys = watch.child.stdin.take().unwrap();
    keys.write_all(b"ps\r").unwrap();
    let mut board = desk.plug();
    watch.out.wait_for("is back");
    assert_eq!(board.hears(3), b"ps\r");
}

/// A user's terminal, with the monitor in it.
struct Seat {
    child: Child,
    keys: File,
    screen: Heard,
    terminal: OwnedFd,
}

impl Seat {
    fn take(tool: &mut Command) -> Self {
        let (keys, name) = pseudo_terminal();
        let terminal = OwnedFd::from(File::options().read(true).write(true).open(name).unwrap());
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let child = tool.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let mut screen = Heard::listen(keys.try_clone().unwrap());
        screen.wait_for("Ctrl-A x leaves");
        Self { child, keys, screen, terminal }
    }

    fn presses(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    fn mode(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap()
    }
}

/// FL-09: on a terminal every key goes to the board, Ctrl-C too, but for the tool's own; afterwards it is as it was.
#[test]
fn keys_of_a_terminal() {
    let desk = Desk::new();
    let mut board = desk.plug();
    let mut seat = Seat::take(&mut desk.monitor(&["--elf", env!("CARGO_BIN_EXE_tophalf")]));
    board.says(b"tophalf> ");
    seat.screen.wait_for("tophalf> ");
    assert!(!seat.mode().local_modes.contains(LocalModes::ICANON), "not raw while it runs");
    seat.presses(b"ps\r\x03\x01\x01");
    assert_eq!(board.hears(5), b"ps\r\x03\x01");
    seat.presses(b"\x01h");
    seat.screen.wait_for("leave: the board goes on");
    seat.presses(b"\x01x");
    assert_eq!(seat.child.wait().unwrap().code(), Some(0));
    let modes = seat.mode().local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "not restored");
}

/// FL-10: keys that are pressed while the adapter is out are not delivered later.
#[test]
fn keys_into_nowhere() {
    let desk = Desk::new();
    let board = desk.plug();
    let mut seat = Seat::take(&mut desk.monitor(&["--elf", env!("CARGO_BIN_EXE_tophalf")]));
    fs::remove_file(desk.path("port")).unwrap();
    drop(board);
    seat.screen.wait_for("is gone");
    seat.presses(b"reboot\r");
    seat.screen.wait_for("port is gone: what is typed now is lost");
    let mut board = desk.plug();
    seat.screen.wait_for("is back");
    seat.presses(b"ps\r");
    assert_eq!(board.hears(3), b"ps\r");
    seat.presses(b"\x01x");
    assert_eq!(seat.child.wait().unwrap().code(), Some(0));
}

/// FL-11: what is shown goes to a file, what came to another one; both keep what they had.
#[test]
fn what_is_kept() {
    let desk = Desk::new();
    for file in ["log", "raw"] {
        fs::write(desk.path(file), "yesterday\n").unwrap();
    }
    let mut board = desk.plug();
    let (log, raw) = (desk.path("log"), desk.path("raw"));
    let files = ["--log", log.to_str().unwrap(), "--raw", raw.to_str().unwrap(), "--timestamps"];
    let mut watch = desk.watch(&files);
    board.says(b"one\r\n");
    board.says(UP_AND_RUNNING);
    board.says(b"two\r\n");
    watch.out.wait_for("two\r\n");
    let (_, shown) = watch.end();
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log, format!("yesterday\n{shown}"));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line.starts_with('[') && line.contains("Z")), "{shown}");
    assert!(lines[0].ends_with("] one") && lines[2].ends_with("] two"), "{shown}");
    assert_eq!(fs::read(raw).unwrap(), [b"yesterday\none\r\n", UP_AND_RUNNING, b"two\r\n"].concat());
}

/// Status and words of a monitor that does not begin.
fn refused(tool: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = tool.output().unwrap();
    assert!(stdout.is_empty());
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// FL-07: what cannot be watched is refused with the reason and the next step.
#[test]
fn ports_that_are_none() {
    let desk = Desk::new();
    let (status, words) = refused(Command::new(env!("CARGO_BIN_EXE_tophalf")).arg("monitor"));
    assert_eq!(status, Some(2));
    assert!(words.starts_with("error: which serial port?\nhint: "), "{words}");

    let (status, words) = refused(&mut desk.monitor(&[]));
    assert_eq!(status, Some(1));
    assert!(words.starts_with("error: there is no serial port ") && words.contains("\nhint: "), "{words}");

    for other in ["/dev/null", "/tmp"] {
        symlink(other, desk.path("port")).unwrap();
        let (status, words) = refused(&mut desk.monitor(&[]));
        assert_eq!(status, Some(1));
        assert!(words.contains("port is not a serial port\nhint: "), "{words}");
        fs::remove_file(desk.path("port")).unwrap();
    }
    let (status, words) = refused(&mut desk.monitor(&["--elf", "/nonexistent"]));
    assert_eq!(status, Some(1));
    assert!(words.starts_with("error: there is no image /nonexistent\nhint: "), "{words}");
    for option in ["--log", "--raw"] {
        let (status, words) = refused(&mut desk.monitor(&[option, "/nonexistent/file"]));
        assert_eq!(status, Some(1));
        assert!(words.starts_with("error: cannot write /nonexistent/file\n") && words.contains("\nhint: "), "{words}");
    }
}

/// FL-07: a port has one reader.
#[test]
fn a_port_in_use() {
    let desk = Desk::new();
    let _board = desk.plug();
    let watch = desk.watch(&[]);
    let (status, words) = refused(&mut desk.monitor(&[]));
    assert_eq!(status, Some(1));
    assert!(words.starts_with("error: another program has ") && words.contains("\nhint: `fuser"), "{words}");
    drop(watch);
}

/// FL-07: afterwards the port is everybody's again, also where a program has had it open all the time. (Root may open it anyhow.)
#[test]
fn a_port_is_given_back() {
    let desk = Desk::new();
    let mut board = desk.plug();
    let _other = File::open(desk.path("port")).unwrap();
    let mut watch = desk.watch(&[]);
    board.says(b"tophalf> ");
    watch.out.wait_for("tophalf> ");
    assert_eq!(watch.end().0, Some(128 + 15));
    let open = File::open(desk.path("port"));
    assert!(open.is_ok(), "{open:?}");
}

/// FL-12: a time that was asked for ends it, with a status of its own.
#[test]
fn the_time_is_over() {
    let desk = Desk::new();
    let _board = desk.plug();
    let mut watch = desk.watch(&["--timeout", "1"]);
    assert_eq!(watch.child.wait().unwrap().code(), Some(124));
}

/// FL-12: where nobody reads what is shown, the first signal is not heard, and the second one ends it.
#[test]
fn nobody_reads() {
    /// More than a pipe and a pseudo-terminal take.
    const MUCH: usize = 512 * 1024;
    let desk = Desk::new();
    let mut board = desk.plug();
    let mut child = desk.monitor(&["--elf", env!("CARGO_BIN_EXE_tophalf")]).stderr(Stdio::null()).spawn().unwrap();
    let limit = Instant::now() + PATIENCE;
    let mut said = 0;
    while said < MUCH {
        match board.line.write(&[b'x'; 4096]) {
            Ok(count) => said += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < limit, "it took only {said} bytes");
    }
    // Two that come at once are one.
    let status = loop {
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        thread::sleep(Duration::from_millis(20));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > limit {
            child.kill().unwrap();
            panic!("it does not end");
        }
    };
    assert_eq!(status.signal(), Some(15));
}

/// The speed that was asked for is set, 115200 without a word.
#[test]
fn the_speed_is_set() {
    let desk = Desk::new();
    for (arguments, speed) in [(&[][..], 115_200), (&["--baud", "921600"], 921_600)] {
        let board = desk.plug();
        let watch = desk.watch(arguments);
        assert_eq!(tcgetattr(&board.line).unwrap().output_speed(), speed);
        drop(watch);
        fs::remove_file(desk.path("port")).unwrap();
    }
}
