//! How is an image run to its end, with everything it says?

use super::{Machine, Qemu};
use anyhow::{Context, Result};
use std::{
    io::Read,
    process::{Child, ExitStatus, Stdio},
    thread,
    time::Duration,
};
use wait_timeout::ChildExt;

/// Wall-clock bound of one boot. Tests bound themselves in virtual time; this only ends a machine that hangs.
pub const BACKSTOP: Duration = Duration::from_secs(600);

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What the kernel printed, as it left the machine: text and log frames.
    pub console: Vec<u8>,
    /// What QEMU itself had to say.
    pub qemu_words: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the exit status that the kernel chose, or QEMU's own 1 if it could not start.
    Status(u8),
    /// Killed by a signal from elsewhere.
    Killed,
    /// Killed by the watchdog.
    TimedOut,
}

impl End {
    /// How a process ended that was not timed out.
    pub fn of(status: ExitStatus) -> Self {
        status.code().and_then(|code| u8::try_from(code).ok()).map_or(Self::Killed, Self::Status)
    }
}

/// A QEMU that does not outlive the value that stands for it.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a machine without input until it ends, but no longer than `limit`.
pub fn boot(machine: &Machine, limit: Duration) -> Result<Outcome> {
    let qemu = Qemu::ensure(machine.board)?;
    let mut command = machine.command(&qemu)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("cannot start {}", qemu.path.display()))?;
    let mut running = Running(child);
    let console = collect(running.0.stdout.take());
    let words = collect(running.0.stderr.take());
    let end = running.0.wait_timeout(limit)?.map_or(End::TimedOut, End::of);
    // Ends what still runs, so that the pipes close.
    drop(running);
    let finish = |reader: thread::JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Ok(Outcome { end, console: finish(console), qemu_words: String::from_utf8_lossy(&finish(words)).into_owned() })
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        // A pipe that breaks has given what it had.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut all));
        all
    })
}
