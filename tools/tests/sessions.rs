//! How does the tool treat a running kernel? QEMU is a script here: what counts is what goes in and out.
#![forbid(unsafe_code)]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Runs the tool with a QEMU that does what the script says, and feeds it through a pipe.
fn run(script: &str, arguments: &[&str], input: &[u8]) -> Output {
    let dir = TempDir::new().unwrap();
    let qemu = dir.path().join("qemu-system-aarch64");
    fs::write(&qemu, format!("#!/bin/sh\n[ \"$1\" != --version ] || {{ echo version 10.0; exit; }}\n{script}\n"))
        .unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_tophalf"));
    // Any ELF file without log strings serves as the image.
    tool.args(["run", "--elf", env!("CARGO_BIN_EXE_tophalf")]).args(arguments);
    let path = std::env::join_paths([dir.path(), "/usr/bin".as_ref(), "/bin".as_ref()]).unwrap();
    tool.env("PATH", path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The tool may end before it has taken everything.
    let feeder = thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn exec_prints_only_the_text_and_ends_with_the_kernels_status() {
    // The second printf is a log frame.
    let output = run(
        "printf 'PID\\r\\n'; printf '\\377\\000\\001\\002\\000'; printf 'end\\r\\n'; exit 7",
        &["--exec", "ps"],
        b"",
    );
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(&output.stdout), "PID\r\nend\r\n");
    assert!(text(&output.stderr).contains("a log frame of 2 bytes"), "{}", text(&output.stderr));
}

#[test]
fn exec_reads_no_input_and_passes_its_lines_escaped() {
    let output =
        run("cat; for word; do last=$word; done; echo \"$last\"", &["--exec", "echo \"a b\""], b"not for the kernel");
    assert_eq!(text(&output.stdout), "exec=\"echo %22a b%22\"\n");
}

#[test]
fn the_watchdog_kills_and_says_so() {
    let started = Instant::now();
    let output = run("echo up; exec sleep 60", &["--exec", "ps", "--timeout", "1"], b"");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(124), "up\n"));
    assert!(text(&output.stderr).contains("did not end within 1 s"), "{}", text(&output.stderr));
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_megabyte_of_piped_input_arrives_whole() {
    let input: Vec<u8> = (0..1 << 20).map(|nr: u32| b'a' + (nr % 23) as u8).collect();
    let output = run("echo ready; head -c 1048576 | md5sum; exit 3", &[], &input);
    assert_eq!(output.status.code(), Some(3));
    let mut md5sum = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    md5sum.stdin.take().unwrap().write_all(&input).unwrap();
    let expected = md5sum.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), format!("ready\n{}", text(&expected.stdout)));
}

#[test]
fn after_the_end_of_piped_input_a_quiet_kernel_is_left() {
    let output = run("printf '> '; read line; echo \"got $line\"; exec sleep 60", &[], b"ps\n");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "> got ps\n"));
    assert!(text(&output.stderr).contains("the input has ended"), "{}", text(&output.stderr));
}

#[test]
fn qemus_own_words_stay_on_standard_error() {
    let output = run("echo 'qemu: no such machine' >&2; exit 1", &["--exec", "ps"], b"");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("no such machine"));
}
