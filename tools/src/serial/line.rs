//! How does a line stay usable when its adapter is pulled? A thread reads, and opens the port again as soon as it is back.

use super::port::{Port, Refusal};
use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
    thread,
    time::Duration,
};

/// What the line has to tell.
#[derive(Debug)]
pub enum News {
    /// Bytes from the board.
    Bytes(Vec<u8>),
    /// The port is gone; it is looked for.
    Lost,
    /// It is there but cannot be used, for this reason; it is tried again.
    Refused(Refusal),
    /// It is open again.
    Back,
    /// Something was typed while it is gone, and is lost. Told once each time that it is gone.
    Typed,
}

/// How often a port that is gone is looked for. USB takes longer than that to find a device.
const POLL: Duration = Duration::from_millis(200);
/// A UART brings less in any time that matters.
const CHUNK: usize = 4096;

#[derive(Default)]
struct Shared {
    /// The open port.
    file: Mutex<Option<Arc<File>>>,
    opened: Condvar,
}

impl Shared {
    fn file(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        // Whoever panicked has left a whole value.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, file: Option<Arc<File>>) {
        *self.file() = file;
        self.opened.notify_all();
    }
}

/// What is written while the port is gone…
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// …is lost, as keys are that nobody would expect to arrive minutes later.
    Drop,
    /// …waits for it.
    Wait,
}

/// The end of a line that is written into.
pub struct Keyboard {
    shared: Arc<Shared>,
    absent: Absent,
    tell: Box<dyn Fn(News) -> bool + Send>,
    /// Something was lost, and told, since it last worked.
    told: bool,
}

impl Write for Keyboard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = self.wait().map(|file| (&*file).write(bytes));
            match written {
                Some(Ok(count)) if count > 0 => {
                    self.told = false;
                    return Ok(count);
                }
                Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                // The reader finds that out, too; until it has, the same port would be had again.
                Some(_) if self.absent == Absent::Wait => thread::sleep(POLL),
                _ => {
                    if !std::mem::replace(&mut self.told, true) {
                        // Who does not listen any more needs no keys either.
                        (self.tell)(News::Typed);
                    }
                    return Ok(bytes.len());
                }
            }
        }
    }

    /// Waits until the line has sent what its driver has: at 300 baud that takes minutes.
    fn flush(&mut self) -> io::Result<()> {
        let file = self.shared.file().clone();
        // Where it is gone nothing is left to be sent.
        let _ = file.map(|file| rustix::termios::tcdrain(&*file));
        Ok(())
    }
}

impl Keyboard {
    /// Gives the port back to others when the answer is dropped: a program that had it open before keeps it from being closed,
    /// and with that exclusive.
    pub fn lease(&self) -> Lease {
        Lease { shared: self.shared.clone() }
    }

    fn wait(&self) -> Option<Arc<File>> {
        let mut file = self.shared.file();
        while file.is_none() && self.absent == Absent::Wait {
            file = self.shared.opened.wait(file).unwrap_or_else(PoisonError::into_inner);
        }
        file.clone()
    }
}

/// For as long as this is there, nobody else opens the port.
pub struct Lease {
    shared: Arc<Shared>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(file) = &*self.shared.file() {
            // A port that is gone is nobody's.
            let _ = rustix::termios::ioctl_tiocnxcl(file);
        }
    }
}

/// Follows an open port for as long as somebody listens; the other end is for writing.
pub fn follow<E: From<News> + Send + 'static>(port: Port, file: File, absent: Absent, news: SyncSender<E>) -> Keyboard {
    let shared = Arc::new(Shared::default());
    let mut file = Arc::new(file);
    shared.set(Some(file.clone()));
    let ear = news.clone();
    let tell = Box::new(move |what: News| ear.send(what.into()).is_ok());
    let keyboard = Keyboard { shared: shared.clone(), absent, tell, told: false };
    let tell = move |what: News| news.send(what.into()).is_ok();
    thread::spawn(move || {
        loop {
            if !read(&file, &tell) {
                return;
            }
            shared.set(None);
            // Closed before it is opened again: two of one device would keep each other out.
            drop(file);
            if !tell(News::Lost) {
                return;
            }
            let Some(again) = reopen(&port, &tell) else { return };
            file = Arc::new(again);
            shared.set(Some(file.clone()));
            if !tell(News::Back) {
                return;
            }
        }
    });
    keyboard
}

/// Reads until the port is gone (true) or nobody listens (false).
fn read(mut file: &File, tell: impl Fn(News) -> bool) -> bool {
    let mut buffer = [0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(count) if count > 0 => {
                if !tell(News::Bytes(buffer[..count].to_vec())) {
                    return false;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A device that was pulled reads as ended, or as an error of input and output.
            _ => return true,
        }
    }
}

/// Opens the port when it is there again; `None` if nobody listens any more. A reason why it cannot be used is told once.
fn reopen(port: &Port, tell: impl Fn(News) -> bool) -> Option<File> {
    let mut told = false;
    loop {
        thread::sleep(POLL);
        match port.open() {
            Ok(file) => return Some(file),
            // Just plugged in, a device belongs to root for a moment.
            Err(Refusal::Missing(_)) => told = false,
            Err(refusal) if !told => {
                told = true;
                if !tell(News::Refused(refusal)) {
                    return None;
                }
            }
            Err(_) => {}
        }
    }
}
