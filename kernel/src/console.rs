//! Where does text of threads go, and where do keys come from?
use crate::{
    board::{self, Board},
    bootargs::{self, Console},
    cx::ThreadCx,
    error::Result,
    log,
    sync::Semaphore,
    thread::ThreadId,
    uart::{Errors, Uart},
};
use core::fmt;
use hw::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Acquire, Release},
};
use spin::Once;

hw::global! {
    static UART: Once<Uart> = Once::new();
    static SINK: Once<Console> = Once::new();
    /// One thread writes at a time: nobody's text gets into a log frame.
    static WRITER: Semaphore = Semaphore::new(1);
    /// A log record is half out.
    static HALF_OUT: AtomicBool = AtomicBool::new(false);
}

/// Marks the start of a log frame among text; text never contains its first byte.
const FRAME_START: [u8; 2] = [0xff, 0x00];

/// Makes synchronous text possible: reports of the boot itself can be seen.
pub(crate) fn set_up(board: &Board, line: &str) {
    let sink = *SINK.call_once(|| bootargs::console(line));
    match sink {
        Console::Semihosting => hw::text::to_semihosting(),
        Console::Uart => {
            Uart::set_up(&clocked(board));
            hw::text::to_pl011(board.uart.base);
        }
    }
}

/// The board's UART with the clock that it has now.
fn clocked(board: &Board) -> board::Uart {
    let clock = board.own.uart.map_or(board.uart.clock, |clock| clock());
    board::Uart { clock, ..board.uart }
}

fn uart() -> Option<&'static Uart> {
    let uart: &Once<Uart> = &UART;
    // SAFETY: kernel statics live as long as the machine.
    uart.get().map(|u| unsafe { &*core::ptr::from_ref(u) })
}

/// Starts the interrupt of the console's UART, if that is the console, and the thread that prints log records.
pub(crate) fn start(cx: &mut ThreadCx, board: &Board) -> Result<()> {
    let sink: &Once<Console> = &SINK;
    if sink.get() == Some(&Console::Uart) {
        UART.call_once(|| Uart::new(&board.uart));
        if let Some(uart) = uart() {
            uart.start(cx, &board.uart)?;
        }
    }
    log::start_console(cx, write_frame)
}

/// Prints one log record, which may have been cut; once more from its start if a report came in between (PK-03).
pub fn write_frame(cx: &mut ThreadCx, record: &[u8], cut: bool) {
    WRITER.down(cx);
    loop {
        HALF_OUT.store(true, Release);
        frame(record, cut, |bytes| put(cx, bytes, || HALF_OUT.load(Acquire)));
        if HALF_OUT.swap(false, AcqRel) {
            break;
        }
    }
    let _ = WRITER.up(cx);
}

/// Before a report, which does not wait for threads: a log record that is half out ends here. Its thread prints it again.
pub(crate) fn make_way() {
    if HALF_OUT.swap(false, AcqRel) {
        // What ends a frame, or a line.
        hw::text::write(if cfg!(target_os = "none") { &[0] } else { b"\n" });
    }
}

/// As [`write_frame`], past all threads: the machine stops.
pub(crate) fn write_frame_now(record: &[u8], cut: bool) {
    frame(record, cut, hw::text::write);
}

fn frame(record: &[u8], cut: bool, mut write: impl FnMut(&[u8])) {
    if !cfg!(target_os = "none") {
        write(record);
        write(if cut { b" [cut]\n" } else { b"\n" });
    } else if cut {
        // Half a frame cannot be decoded.
        write(b"[log record cut]\r\n");
    } else {
        let mut whole = heapless::Vec::<u8, { FRAME_START.len() + logic::ring::MAX_RECORD }>::new();
        let _ = whole.extend_from_slice(&FRAME_START);
        let _ = whole.extend_from_slice(record);
        write(&whole);
    }
}

/// Writes bytes as they are; waits while the device is busy.
#[inline(never)]
pub fn write(cx: &mut ThreadCx, bytes: &[u8]) {
    WRITER.down(cx);
    put(cx, bytes, || true);
    let _ = WRITER.up(cx);
}

/// Sends bytes one by one until `go_on` says no. `WRITER` is held.
fn put(cx: &mut ThreadCx, bytes: &[u8], go_on: impl Fn() -> bool) {
    match uart() {
        Some(uart) => uart.write_while(cx, bytes, go_on),
        None => bytes.iter().take_while(|_| go_on()).for_each(|&byte| hw::text::write(&[byte])),
    }
}

/// Waits for a key. `None`: this console has none.
pub fn read(cx: &mut ThreadCx) -> Option<u8> {
    uart().map(|uart| uart.read(cx))
}

/// Whether there is a keyboard.
pub fn has_keys() -> bool {
    uart().is_some()
}

/// While a thread is in the foreground ^C is no key but interrupts it.
pub fn set_foreground(thread: Option<ThreadId>) {
    if let Some(uart) = uart() {
        uart.set_foreground(thread);
    }
}

/// Waits until everything written has left the machine.
pub fn drain(cx: &mut ThreadCx) {
    if let Some(uart) = uart() {
        uart.drain(cx);
    }
}

/// Errors of the console's line.
pub fn errors() -> Errors {
    uart().map(Uart::errors).unwrap_or_default()
}

/// Formats to the console, a bare line end becoming what terminals expect; collects short pieces.
pub struct Writer<'a> {
    cx: &'a mut ThreadCx,
    pending: heapless::Vec<u8, 128>,
}

impl<'a> Writer<'a> {
    /// A writer on the console.
    pub fn new(cx: &'a mut ThreadCx) -> Self {
        Self { cx, pending: heapless::Vec::new() }
    }
    /// Writes out what was collected.
    #[inline(never)]
    pub fn flush(&mut self) {
        write(self.cx, &self.pending);
        self.pending.clear();
    }
    fn put(&mut self, byte: u8) {
        if self.pending.is_full() {
            self.flush();
        }
        let _ = self.pending.push(byte);
    }
}
impl fmt::Write for Writer<'_> {
    #[inline(never)]
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes() {
            if byte == b'\n' && self.pending.last() != Some(&b'\r') {
                self.put(b'\r');
            }
            self.put(byte);
        }
        Ok(())
    }
}
impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// What [`print!`](crate::print) does, once for all its users.
#[doc(hidden)]
#[inline(never)]
pub fn print(cx: &mut ThreadCx, args: fmt::Arguments<'_>) {
    // The writer takes everything.
    let _ = fmt::Write::write_fmt(&mut Writer::new(cx), args);
}

/// What [`println!`](crate::println) does, once for all its users.
#[doc(hidden)]
#[inline(never)]
pub fn print_line(cx: &mut ThreadCx, args: fmt::Arguments<'_>) {
    let mut out = Writer::new(cx);
    let _ = fmt::Write::write_fmt(&mut out, args);
    let _ = fmt::Write::write_str(&mut out, "\n");
}

/// Prints to the console; `cx` is a thread's token.
#[macro_export]
macro_rules! print {
    ($cx:expr, $($arg:tt)*) => { $crate::console::print($cx, format_args!($($arg)*)) };
}
/// Prints a line to the console; `cx` is a thread's token.
#[macro_export]
macro_rules! println {
    ($cx:expr) => { $crate::print!($cx, "\n") };
    ($cx:expr, $($arg:tt)*) => { $crate::console::print_line($cx, format_args!($($arg)*)) };
}
