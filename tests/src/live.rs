//! How does a test talk to a machine that runs? It types, and reads what comes back.

use anyhow::{Context, Result, bail};
use std::{
    io::{Read, Write},
    process::{ChildStdin, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};
use tophalf::{
    qemu::{
        Machine, Qemu,
        boot::{End, Running},
    },
    stream::demux::{Demux, Piece},
};

/// Wall-clock bound of a wait: only a machine that hangs needs it.
const PATIENCE: Duration = Duration::from_secs(300);

/// The end of a machine's input pipe that is typed into.
pub struct Keyboard(ChildStdin);

impl Keyboard {
    /// Types bytes, as fast as the machine takes them.
    pub fn type_keys(&mut self, keys: &[u8]) -> Result<()> {
        self.0.write_all(keys).and_then(|()| self.0.flush()).context("the machine takes no more input")
    }
}

/// A machine with its console at our end of two pipes. It ends with this value at the latest.
pub struct Live {
    running: Running,
    keys: Option<Keyboard>,
    output: Receiver<Vec<u8>>,
    demux: Demux,
    /// Text that nobody has waited for yet; log records are left out.
    seen: String,
}

impl Live {
    /// Starts a machine.
    pub fn start(machine: &Machine) -> Result<Self> {
        let qemu = Qemu::ensure(machine.board)?;
        let mut command = machine.command(&qemu)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().context("cannot start QEMU")?;
        let keys = child.stdin.take().map(Keyboard);
        let mut stdout = child.stdout.take().context("QEMU has no standard output")?;
        let (send, output) = channel();
        // Ends with QEMU, or with whoever listens.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                if send.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { running: Running(child), keys, output, demux: Demux::default(), seen: String::new() })
    }

    /// Types bytes; returns when the machine, or the pipe to it, has taken them.
    pub fn type_keys(&mut self, keys: &[u8]) -> Result<()> {
        self.keys.as_mut().context("somebody else has the keyboard")?.type_keys(keys)
    }
    /// The keyboard, for somebody who types while this one reads.
    pub fn keyboard(&mut self) -> Result<Keyboard> {
        self.keys.take().context("somebody else has the keyboard")
    }
    /// The keyboard comes back.
    pub fn return_keyboard(&mut self, keys: Keyboard) {
        self.keys = Some(keys);
    }

    /// Waits for a text in the output, and gives what came before and with it, back to the end of the last text.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return Ok(std::mem::replace(&mut self.seen, rest));
            }
            match self.output.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes)?,
                Err(RecvTimeoutError::Timeout) => bail!("no `{text}` within {PATIENCE:?} in:\n{}", self.seen),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended without `{text}`:\n{}", self.seen),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { demux, seen, .. } = self;
        demux.feed(bytes, &mut |piece| {
            if let Piece::Text(text) = piece {
                seen.push_str(&String::from_utf8_lossy(text));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Waits until the machine has ended by itself.
    pub fn end(mut self) -> Result<End> {
        drop(self.keys.take());
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.running.0.try_wait()? {
                return Ok(End::of(status));
            }
            if Instant::now() > limit {
                bail!("it did not end within {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
