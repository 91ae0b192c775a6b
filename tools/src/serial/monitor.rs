//! What happens while a board is watched? The line, keys and signals meet in one loop, which owns the screen.

use super::{
    line::{self, Absent, News},
    port::Port,
};
use crate::{
    console::{
        input,
        keys::{self, Key},
        raw::RawTerminal,
        session::QUIET,
    },
    stream::{Renderer, Sink, logs::LogLine},
};
use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};
use std::{
    fs::File,
    io::{self, IsTerminal, Write, stdin},
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user left, or the terminal went away.
    Left,
    /// Piped input had ended and the board had no more to say.
    Quiet,
    /// The time that was asked for is over.
    TimedOut,
    /// By this signal.
    Signal(i32),
    /// Nobody reads the output any more.
    OutputGone,
}

/// What the loop waits for.
enum Event {
    Line(News),
    Key(Key),
    InputEnded,
    Signal(i32),
}

impl From<News> for Event {
    fn from(news: News) -> Self {
        Self::Line(news)
    }
}

/// How much output may wait for a slow screen; a serial line does not wait, its driver has a buffer of its own.
const OUTPUT_CHUNKS: usize = 1024;

/// What ends it from outside.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// A board, watched.
pub struct Monitor {
    /// Its line.
    pub port: Port,
    /// Ends it after so long.
    pub limit: Option<Duration>,
    /// Gets every byte as it came.
    pub raw: Option<File>,
}

impl Monitor {
    /// Watches the line to the end. The terminal is restored on every way out of here.
    ///
    /// # Errors
    /// What is shown or kept cannot be written.
    pub fn run(&mut self, open: File, renderer: &mut Renderer, sink: &mut impl Sink) -> Result<Ending> {
        let (events, waiting) = sync_channel(OUTPUT_CHUNKS);
        let terminal = stdin().is_terminal();
        let mut signals = Signals::new(SIGNALS).context("cannot catch signals")?;
        if !terminal {
            // The loop may be waiting for a reader of its output, and hear of no signal: the second one ends the tool as if
            // nobody caught it. Not with a terminal, which would stay raw.
            let caught = Arc::new(AtomicBool::new(false));
            for signal in SIGNALS {
                let armed = flag::register_conditional_default(signal, caught.clone());
                // Behind it, so that the first one only arms.
                armed.and_then(|_| flag::register(signal, caught.clone())).context("cannot catch signals")?;
            }
        }
        let sender = events.clone();
        thread::spawn(move || signals.forever().try_for_each(|signal| sender.send(Event::Signal(signal))));
        let _raw = terminal.then(RawTerminal::enter);
        let absent = if terminal { Absent::Drop } else { Absent::Wait };
        let keyboard = line::follow(self.port.clone(), open, absent, events.clone());
        let _lease = keyboard.lease();
        if terminal {
            input::forward_terminal(keyboard, move |key| events.send(Event::Key(key)).is_ok());
        } else {
            input::forward_all(keyboard, move || drop(events.send(Event::InputEnded)));
        }
        match self.follow(&waiting, renderer, sink) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ending::OutputGone),
            ending => ending.context("cannot show what the board says"),
        }
    }

    fn follow(
        &mut self,
        events: &Receiver<Event>,
        renderer: &mut Renderer,
        sink: &mut impl Sink,
    ) -> io::Result<Ending> {
        let deadline = self.limit.map(|limit| Instant::now() + limit);
        // The line's silence counts from here on.
        let mut quiet: Option<Instant> = None;
        loop {
            let next = [deadline, quiet.map(|since| since + QUIET)].into_iter().flatten().min();
            let event = match next {
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match event {
                Ok(Event::Line(news)) => {
                    quiet = quiet.map(|_| Instant::now());
                    self.tell(news, renderer, sink)?;
                }
                Ok(Event::Key(Key::Help)) => {
                    keys::help("leave: the board goes on")
                        .into_iter()
                        .try_for_each(|line| sink.log(&LogLine::note(line)))?;
                }
                Ok(Event::Key(_)) => return Ok(Ending::Left),
                Ok(Event::InputEnded) => quiet = Some(Instant::now()),
                Ok(Event::Signal(signal)) => return Ok(Ending::Signal(signal)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Ending::Left),
                Err(RecvTimeoutError::Timeout) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(Ending::TimedOut);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if quiet.is_some_and(|since| since.elapsed() >= QUIET) {
                        return Ok(Ending::Quiet);
                    }
                }
            }
        }
    }

    fn tell(&mut self, news: News, renderer: &mut Renderer, sink: &mut impl Sink) -> io::Result<()> {
        let port = self.port.path.display();
        let words = match news {
            News::Bytes(bytes) => {
                self.raw.as_mut().map_or(Ok(()), |raw| raw.write_all(&bytes))?;
                return renderer.feed(&bytes, sink);
            }
            News::Lost => {
                // What comes after it does not belong to a record that was cut.
                renderer.finish(sink)?;
                format!("{port} is gone: waiting for it to come back")
            }
            News::Refused(refusal) => format!("{}; trying again", refusal.explain(&self.port.path)),
            News::Back => format!("{port} is back"),
            News::Typed => format!("{port} is gone: what is typed now is lost"),
        };
        sink.log(&LogLine::note(words))
    }
}
