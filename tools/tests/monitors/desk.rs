//! What stands on the desk of somebody who monitors a board? A pseudo-terminal is the serial line, its far end the board.
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};
use rustix::{
    fs::{OFlags, fcntl_setfl},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    os::unix::{ffi::OsStringExt, fs::symlink},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Only a tool that hangs needs this bound.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A pseudo-terminal: our end, and the name of the other.
pub fn pseudo_terminal() -> (File, PathBuf) {
    // A tool that had our end, too, would keep its own line alive.
    #[cfg(target_os = "linux")]
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    #[cfg(not(target_os = "linux"))]
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    (File::from(ours), std::ffi::OsString::from_vec(name.into_bytes()).into())
}

/// What comes out of something, as it comes.
pub struct Heard {
    chunks: Receiver<Vec<u8>>,
    all: Vec<u8>,
    /// How much of it was waited for.
    taken: usize,
}

impl Heard {
    pub fn listen(mut source: impl Read + Send + 'static) -> Self {
        let (send, chunks) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                if send.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { chunks, all: Vec::new(), taken: 0 }
    }

    /// Waits until this comes, after what was waited for before.
    pub fn wait_for(&mut self, words: &str) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let rest = &self.all[self.taken..];
            if let Some(at) = rest.windows(words.len()).position(|window| window == words.as_bytes()) {
                self.taken += at + words.len();
                return;
            }
            match self.chunks.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.all.extend(chunk),
                Err(reason) => panic!("no {words:?} ({reason}) in {:?}", self.text()),
            }
        }
    }

    /// Everything, to its end.
    pub fn wait_for_end(&mut self) -> String {
        loop {
            match self.chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => self.all.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => return self.text(),
                Err(RecvTimeoutError::Timeout) => panic!("no end of {:?}", self.text()),
            }
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.all).into_owned()
    }
}

/// A desk with a socket for one adapter.
pub struct Desk {
    dir: TempDir,
}

/// An adapter, plugged in; the board is at its far end. Nobody else has that end, so dropping it pulls the adapter.
pub struct Board {
    pub line: File,
    heard: Vec<u8>,
}

impl Desk {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Plugs an adapter in. Each time it is another device under the same name.
    pub fn plug(&self) -> Board {
        let (line, device) = pseudo_terminal();
        fcntl_setfl(&line, OFlags::NONBLOCK).unwrap();
        symlink(device, self.path("port")).unwrap();
        Board { line, heard: Vec::new() }
    }

    pub fn monitor(&self, arguments: &[&str]) -> Command {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_tophalf"));
        tool.arg("monitor").arg(self.path("port")).args(arguments);
        tool.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        tool
    }

    /// Starts the monitor with an image that has no strings, and waits until it listens.
    pub fn watch(&self, arguments: &[&str]) -> Watch {
        let arguments = [&["--elf", env!("CARGO_BIN_EXE_tophalf")], arguments].concat();
        Watch::start(&mut self.monitor(&arguments))
    }
}

impl Board {
    pub fn says(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).unwrap();
    }

    /// Waits until it has heard so many bytes.
    pub fn hears(&mut self, count: usize) -> &[u8] {
        let limit = Instant::now() + PATIENCE;
        while self.heard.len() < count {
            let mut buffer = [0; 4096];
            match self.line.read(&mut buffer) {
                Ok(count) => self.heard.extend(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("{error} after {:?}", self.heard),
            }
            assert!(Instant::now() < limit, "only {:?}", self.heard);
        }
        &self.heard
    }
}

/// A monitor that runs.
pub struct Watch {
    pub child: Child,
    pub out: Heard,
    /// Somebody reads the tool's words to the end.
    _words: Heard,
}

impl Watch {
    pub fn start(tool: &mut Command) -> Self {
        let mut child = tool.spawn().unwrap();
        let out = Heard::listen(child.stdout.take().unwrap());
        let mut words = Heard::listen(child.stderr.take().unwrap());
        words.wait_for(" baud; log records");
        Self { child, out, _words: words }
    }

    /// Ends it as a shell would, and gives its status and everything that it showed.
    pub fn end(mut self) -> (Option<i32>, String) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)
            .unwrap();
        (self.child.wait().unwrap().code(), self.out.wait_for_end())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It has ended if all went well.
        let _ = self.child.kill();
    }
}

/// An ELF file with one log string, number 1: `up and running`.
pub fn image_that_logs() -> Vec<u8> {
    let mut image = Object::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little);
    let strings = image.add_section(Vec::new(), b".defmt".to_vec(), SectionKind::ReadOnlyData);
    image.append_section_data(strings, &[0; 8], 1);
    let mut symbol = |name: &str, value, section| {
        let (kind, scope) = (SymbolKind::Data, SymbolScope::Dynamic);
        let name = name.as_bytes().to_vec();
        image.add_symbol(Symbol { name, value, size: 1, kind, scope, weak: false, section, flags: SymbolFlags::None });
    };
    symbol("_defmt_version_ = 4", 0, SymbolSection::Absolute);
    symbol("_defmt_encoding_ = rzcobs", 0, SymbolSection::Absolute);
    let record = r#"{"package":"p","tag":"defmt_info","data":"up and running","disambiguator":"1","crate_name":"p"}"#;
    symbol(record, 1, SymbolSection::Section(strings));
    image.write().unwrap()
}

/// The record of that string: its number, and a mark for the zeros behind it.
pub const UP_AND_RUNNING: &[u8] = b"\xFF\0\x01\x7E\0";
