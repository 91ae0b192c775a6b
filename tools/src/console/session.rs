//! What happens while a kernel runs? Output, keys, signals and the watchdog meet in one loop, which owns the screen.

use super::{
    input,
    keys::{self, Key},
    raw::RawTerminal,
};
use crate::{
    qemu::{
        Machine, Qemu,
        boot::{End, Running},
    },
    say::say,
    stream::{Renderer, Sink, logs::LogLine},
};
use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io::{self, Read},
    process::{ChildStdin, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// Where the kernel's keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nowhere.
    None,
    /// A user's terminal.
    Terminal,
    /// A pipe or a file. After its end the run ends when the kernel has been quiet for [`QUIET`].
    Pipe,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Machine(End),
    /// The user left with Ctrl-A x, or the terminal went away.
    Left,
    /// Piped input had ended and the kernel had no more to say.
    Quiet,
    /// By this signal.
    Signal(i32),
    /// Nobody reads the output any more.
    OutputGone,
}

/// What the loop waits for.
#[derive(Debug)]
pub enum Event {
    /// The kernel printed something.
    Output(Vec<u8>),
    /// QEMU closed its output.
    OutputEnded,
    /// All of a pipe has been forwarded; the way into the machine stays open as long as this is kept.
    InputEnded(ChildStdin),
    /// Ctrl-A h.
    Help,
    /// Ctrl-A x.
    Leave,
    /// A signal to the tool.
    Signal(i32),
}

/// How long the kernel has to be silent after the end of piped input before the run ends.
pub const QUIET: Duration = Duration::from_secs(2);
/// The same, for a kernel that has not said anything yet: it may be starting on a busy machine.
const QUIET_AT_START: Duration = Duration::from_secs(30);
/// Piped input waits for the first such pause of the output: what arrives before the kernel has set up its UART is lost.
const LISTENING: Duration = Duration::from_millis(100);
/// How much output may wait for a slow screen before QEMU has to wait.
const OUTPUT_CHUNKS: usize = 64;

/// A kernel, running.
pub struct Session<'a> {
    /// What to run.
    pub machine: &'a Machine,
    /// Where keys come from.
    pub input: Input,
    /// The watchdog.
    pub limit: Option<Duration>,
}

impl Session<'_> {
    /// Runs to the end. The terminal is restored on every way out of here.
    pub fn run(&self, renderer: &mut Renderer, sink: &mut impl Sink) -> Result<Ending> {
        let qemu = Qemu::ensure(self.machine.board)?;
        let mut command = self.machine.command(&qemu)?;
        command.stdin(if self.input == Input::None { Stdio::null() } else { Stdio::piped() }).stdout(Stdio::piped());
        let (events, waiting) = sync_channel(OUTPUT_CHUNKS);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
        let child = command.spawn().with_context(|| format!("cannot start {}", qemu.path.display()))?;
        let mut running = Running(child);
        let output = running.0.stdout.take().context("QEMU has no standard output")?;
        read_output(output, events.clone());
        let sender = events.clone();
        thread::spawn(move || signals.forever().try_for_each(|signal| sender.send(Event::Signal(signal))));
        let (start, listening) = channel();
        let _raw = (self.input == Input::Terminal).then(RawTerminal::enter);
        match (self.input, running.0.stdin.take()) {
            (Input::Terminal, Some(stdin)) => input::forward_terminal(stdin, move |key| {
                events.send(if key == Key::Help { Event::Help } else { Event::Leave }).is_ok()
            }),
            (Input::Pipe, Some(stdin)) => input::forward_pipe(events, stdin, listening),
            _ => {}
        }
        let now = Instant::now();
        let mut watch = Watch {
            deadline: self.limit.map(|limit| now + limit),
            start: (self.input == Input::Pipe).then_some(start),
            spoke: false,
            last: now,
            input_ended: None,
        };
        let ending = match watch.follow(&waiting, renderer, sink) {
            Ok(Some(ending)) => ending,
            Ok(None) => {
                renderer.finish(sink)?;
                Ending::Machine(End::of(running.0.wait().context("QEMU is lost")?))
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ending::OutputGone,
            Err(error) => return Err(error).context("cannot show the kernel's output"),
        };
        if let Ending::Quiet = ending {
            say(format_args!("the input has ended and the kernel was quiet for {} s: leaving", QUIET.as_secs()));
        }
        Ok(ending)
    }
}

/// What the loop has to remember.
struct Watch {
    deadline: Option<Instant>,
    /// Tells the pipe's reader to begin.
    start: Option<std::sync::mpsc::Sender<()>>,
    spoke: bool,
    /// When something last happened.
    last: Instant,
    input_ended: Option<ChildStdin>,
}

impl Watch {
    /// Shows output until something ends the session; `None` when QEMU did.
    fn follow(
        &mut self,
        events: &Receiver<Event>,
        renderer: &mut Renderer,
        sink: &mut impl Sink,
    ) -> io::Result<Option<Ending>> {
        loop {
            let event = match self.next_deadline() {
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match event {
                Ok(Event::Output(bytes)) => {
                    (self.spoke, self.last) = (true, Instant::now());
                    renderer.feed(&bytes, sink)?;
                }
                Ok(Event::InputEnded(stdin)) => (self.input_ended, self.last) = (Some(stdin), Instant::now()),
                Ok(Event::Help) => {
                    let lines = keys::help("leave: end the machine");
                    lines.into_iter().try_for_each(|line| sink.log(&LogLine::note(line)))?;
                }
                Ok(Event::Leave) => return Ok(Some(Ending::Left)),
                Ok(Event::Signal(signal)) => return Ok(Some(Ending::Signal(signal))),
                Ok(Event::OutputEnded) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    if self.deadline.is_some_and(|deadline| now >= deadline) {
                        return Ok(Some(Ending::Machine(End::TimedOut)));
                    }
                    if self.quiet_deadline().is_some_and(|deadline| now >= deadline) {
                        return Ok(Some(Ending::Quiet));
                    }
                    if self.listening_deadline().is_some_and(|deadline| now >= deadline)
                        && let Some(start) = self.start.take()
                    {
                        // The reader is there until it has been told.
                        let _ = start.send(());
                    }
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.deadline, self.quiet_deadline(), self.listening_deadline()].into_iter().flatten().min()
    }

    fn quiet_deadline(&self) -> Option<Instant> {
        self.input_ended.as_ref().map(|_| self.last + if self.spoke { QUIET } else { QUIET_AT_START })
    }

    fn listening_deadline(&self) -> Option<Instant> {
        self.start.as_ref().map(|_| self.last + if self.spoke { LISTENING } else { QUIET_AT_START })
    }
}

fn read_output(mut output: impl Read + Send + 'static, events: SyncSender<Event>) {
    /// A pipe gives no more at once.
    const CHUNK: usize = 64 * 1024;
    thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        loop {
            let event = match output.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(count) if count > 0 => Event::Output(buffer[..count].to_vec()),
                _ => Event::OutputEnded,
            };
            let ended = matches!(event, Event::OutputEnded);
            if events.send(event).is_err() || ended {
                return;
            }
        }
    });
}
