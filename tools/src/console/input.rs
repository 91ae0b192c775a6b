//! How do keys get into the machine without blocking anything? One thread reads, another writes into QEMU, which takes
//! bytes only as fast as the UART's FIFO accepts them; Ctrl-A works even if the kernel reads nothing at all.

use super::{
    keys::{Key, Keys},
    session::Event,
};
use std::{
    io::{Read, Write, stdin},
    process::ChildStdin,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

/// One read of standard input.
const CHUNK: usize = 4096;
/// How many reads of a pipe may wait: it can bring any amount, which stays in the pipe.
const PIPE_CHUNKS: usize = 16;

/// Forwards a terminal's keys, all but the tool's own: those are commands, which may end the forwarding (false). A terminal
/// that is gone is the command to leave.
pub fn forward_terminal(machine: impl Write + Send + 'static, mut command: impl FnMut(Key) -> bool + Send + 'static) {
    // Unbounded, so that the reader always gets to the next Ctrl-A; a user types and pastes only so much.
    let (chunks, waiting): (Sender<Vec<u8>>, _) = channel();
    thread::spawn(move || write(waiting, machine));
    thread::spawn(move || {
        let mut keys = Keys::default();
        let end = read(|bytes| {
            let mut forward = Vec::new();
            for &byte in bytes {
                match keys.press(byte) {
                    Key::Forward(byte) => forward.push(byte),
                    Key::Nothing => {}
                    key if !command(key) => return false,
                    _ => {}
                }
            }
            forward.is_empty() || chunks.send(forward).is_ok()
        });
        // The terminal is gone: nobody can leave any more.
        if end {
            command(Key::Leave);
        }
    });
}

/// Forwards what a pipe or file brings, byte for byte, to a machine that listens already; says when all of it is written,
/// unless it was empty: nobody meant anything with that.
pub fn forward_all(machine: impl Write + Send + 'static, ended: impl FnOnce() + Send + 'static) {
    let (chunks, waiting) = sync_channel::<Vec<u8>>(PIPE_CHUNKS);
    thread::spawn(move || {
        let mut any = false;
        if write(waiting.into_iter().inspect(|_| any = true), machine).is_some() && any {
            ended();
        }
    });
    thread::spawn(move || read(|bytes| chunks.send(bytes.to_vec()).is_ok()));
}

/// Forwards what a pipe or file brings, byte for byte, once `start` says that the kernel listens. Reports the end when
/// QEMU has taken the last byte.
pub fn forward_pipe(events: SyncSender<Event>, machine: ChildStdin, start: Receiver<()>) {
    let (chunks, waiting) = sync_channel::<Vec<u8>>(PIPE_CHUNKS);
    thread::spawn(move || {
        if start.recv().is_ok()
            && let Some(machine) = write(waiting, machine)
        {
            // The pipe into QEMU stays open: a closed one would be a line break on a real UART.
            let _ = events.send(Event::InputEnded(machine));
        }
    });
    thread::spawn(move || read(|bytes| chunks.send(bytes.to_vec()).is_ok()));
}

/// Reads standard input until `take` has enough (false) or there is no more (true).
fn read(mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let mut buffer = [0; CHUNK];
    let mut stdin = stdin().lock();
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) if !take(&buffer[..count]) => return false,
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return true,
            _ => {}
        }
    }
}

/// Writes all that comes, and waits until it is gone; `None` if the machine ended before.
fn write<W: Write>(chunks: impl IntoIterator<Item = Vec<u8>>, mut machine: W) -> Option<W> {
    for chunk in chunks {
        machine.write_all(&chunk).ok()?;
    }
    machine.flush().ok()?;
    Some(machine)
}
