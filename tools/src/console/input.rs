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

/// Forwards a terminal's keys, all but the tool's own.
pub fn forward_terminal(events: SyncSender<Event>, machine: ChildStdin) {
    // Unbounded, so that the reader always gets to the next Ctrl-A; a user types and pastes only so much.
    let (chunks, waiting): (Sender<Vec<u8>>, _) = channel();
    thread::spawn(move || write(waiting, machine));
    thread::spawn(move || {
        let mut keys = Keys::default();
        let end = read(|bytes| {
            let mut forward = Vec::new();
            for &byte in bytes {
                let event = match keys.press(byte) {
                    Key::Forward(byte) => {
                        forward.push(byte);
                        continue;
                    }
                    Key::Nothing => continue,
                    Key::Leave => Event::Leave,
                    Key::Help => Event::Help,
                };
                if events.send(event).is_err() {
                    return false;
                }
            }
            forward.is_empty() || chunks.send(forward).is_ok()
        });
        // The terminal is gone: nobody can leave any more.
        if end {
            let _ = events.send(Event::Leave);
        }
    });
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

/// Writes all that comes; `None` if QEMU ended before.
fn write(chunks: Receiver<Vec<u8>>, mut machine: ChildStdin) -> Option<ChildStdin> {
    for chunk in chunks {
        machine.write_all(&chunk).and_then(|()| machine.flush()).ok()?;
    }
    Some(machine)
}
