//! What does the VideoCore's firmware say about this board? Its revision, its memory, its clocks: the property channel.
//!
//! A message lies in memory, and its address goes through the mailbox, once there and once back. The VideoCore does not see the
//! CPU's caches.
use hw::{
    atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
    mmio::{Mmio, Reg, Ro, Wo},
};
pub use message::{Bad, Message};
pub use revision::Revision;
use tock_registers::interfaces::{Readable, Writeable};

mod message;
mod revision;

/// Whether the mailbox from the VideoCore is empty, and whether the one to it is full.
const EMPTY: u32 = 1 << 30;
const FULL: u32 = 1 << 31;
/// The channel of property tags from the CPU.
const PROPERTIES: u32 = 8;
/// An address of the first GiB as the VideoCore has it: not through its own caches (Linux `bcm2711.dtsi`, `dma-ranges`).
const BUS: u32 = 0xc000_0000;
/// Looks at a status register until the other side is given up: about a tenth of a second.
const PATIENCE: u32 = 1_000_000;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Somebody else's question is not answered yet.
    Busy,
    /// The VideoCore neither takes nor answers anything.
    Silent,
    /// Its answer is none to this question.
    Bad(Bad),
}

/// Clocks that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The PL011's: `init_uart_clock` of config.txt.
    Uart = 2,
    /// The CPUs'.
    Arm = 3,
    /// The VideoCore's, on which the mini UART's depends.
    Core = 4,
}

hw::global! {
    static BUSY: AtomicBool = AtomicBool::new(false);
}

/// The mailboxes between CPU and VideoCore.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox(Mmio);

impl Mailbox {
    /// Those at `base`.
    pub const fn new(base: Mmio) -> Self {
        Self(base)
    }
    /// What board this is.
    ///
    /// # Errors
    /// There is no answer.
    pub fn revision(&self) -> Result<Revision, Error> {
        const TAG: u32 = 0x0001_0002;
        self.ask(Message::new(TAG, [0; 2])).map(|[code, _]| Revision(code))
    }
    /// First address of the CPU's memory, and its bytes: those below the VideoCore's, in the first GiB.
    ///
    /// # Errors
    /// There is no answer.
    pub fn memory(&self) -> Result<(u32, u32), Error> {
        const TAG: u32 = 0x0001_0005;
        self.ask(Message::new(TAG, [0; 2])).map(|[base, bytes]| (base, bytes))
    }
    /// Frequency of a clock in Hz; 0 if it does not run.
    ///
    /// # Errors
    /// There is no answer.
    pub fn clock(&self, clock: Clock) -> Result<u32, Error> {
        const TAG: u32 = 0x0003_0002;
        self.ask(Message::new(TAG, [clock as u32, 0])).map(|[_, frequency]| frequency)
    }

    /// Sends a message and waits for the answer: two words. For boot and threads: it may take a while.
    fn ask(&self, message: Message) -> Result<[u32; 2], Error> {
        if BUSY.swap(true, Acquire) {
            return Err(Error::Busy);
        }
        let answer = self.exchange(&message);
        // After a silence the VideoCore may still write: nobody gets the buffer again.
        if answer != Err(Error::Silent) {
            BUSY.store(false, Release);
        }
        answer.and_then(|words| message.answer(&words).map_err(Error::Bad))
    }

    fn exchange(&self, message: &Message) -> Result<[u32; Message::WORDS], Error> {
        let status: Reg<u32, (), Ro> = self.0.reg(0x18);
        let read: Reg<u32, (), Ro> = self.0.reg(0);
        let write: Reg<u32, (), Wo> = self.0.reg(0x20);
        let status_there: Reg<u32, (), Ro> = self.0.reg(0x38);
        let wait = |status: &Reg<u32, (), Ro>, bit| match (0..PATIENCE).any(|_| status.get() & bit == 0) {
            true => Ok(()),
            false => Err(Error::Silent),
        };
        let letter = buffer::address() | BUS | PROPERTIES;
        buffer::put(message.words());
        wait(&status_there, FULL)?;
        write.set(letter);
        // Letters of other channels, which nobody asked for, are thrown away, a mailbox full at most.
        for _ in 0..8 {
            wait(&status, EMPTY)?;
            if read.get() == letter {
                return Ok(buffer::take());
            }
        }
        Err(Error::Silent)
    }
}

/// Where the message lies while both sides have it: cache lines of its own, in the first GiB, as the whole image.
mod buffer {
    use super::Message;
    use core::cell::UnsafeCell;

    /// The largest line that a cache of this chip has.
    #[repr(C, align(64))]
    struct Buffer(UnsafeCell<[u32; Message::WORDS]>, [u32; 8]);
    const _: () = assert!(size_of::<Buffer>() == 64 && Message::WORDS == 8);
    // SAFETY: used by whoever has set `BUSY`.
    unsafe impl Sync for Buffer {}
    static BUFFER: Buffer = Buffer(UnsafeCell::new([0; Message::WORDS]), [0; 8]);

    /// Its address, whose low four bits are free for the channel.
    pub fn address() -> u32 {
        BUFFER.0.get().addr() as u32
    }
    /// Writes the message to memory.
    pub fn put(words: &[u32; Message::WORDS]) {
        // SAFETY: the caller has set `BUSY`; the VideoCore has no letter.
        unsafe { BUFFER.0.get().write_volatile(*words) };
        clean();
    }
    /// Reads the answer from memory.
    pub fn take() -> [u32; Message::WORDS] {
        // What a cache has fetched since is old.
        clean();
        // SAFETY: as above; the VideoCore has given it back.
        unsafe { BUFFER.0.get().read_volatile() }
    }
    fn clean() {
        #[cfg(target_os = "none")]
        hw::aarch64::cache::clean_invalidate(BUFFER.0.get().addr(), size_of::<Buffer>());
    }
}
