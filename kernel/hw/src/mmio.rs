//! Which memory-mapped accesses reach the machine, and how the same driver reaches a simulated one.
//!
//! On the target a [`Reg`] is an address and `get`/`set` are one load or store. On a host the address selects a device
//! of the simulated machine, which sees offset, width and value. What a register may do is in its type: a driver can
//! neither write an [`Ro`] nor read-modify-write a write-one-to-set register, which is a [`Wo`] with an `Ro` alias.
use core::marker::PhantomData;
use tock_registers::{
    RegisterLongName, UIntLike,
    interfaces::{Readable, Writeable},
};

/// Access of a register that may only be read.
pub struct Ro;
/// Access of a register that may only be written.
pub struct Wo;
/// Access of a register that may be read, written and modified.
pub struct Rw;
/// Registers that may be read.
pub trait CanRead {}
/// Registers that may be written.
pub trait CanWrite {}
impl CanRead for Ro {}
impl CanRead for Rw {}
impl CanWrite for Wo {}
impl CanWrite for Rw {}

/// What the bus carries: 8 to 64 bits.
pub trait Word: UIntLike {
    /// The value as the bus carries it, zero-extended.
    fn to_bus(self) -> u64;
    /// The value from the bus, cut to the register's width.
    fn from_bus(value: u64) -> Self;
}
macro_rules! word { ($($t:ty)*) => { $(impl Word for $t {
    #[inline(always)]
    fn to_bus(self) -> u64 { self.into() }
    #[inline(always)]
    fn from_bus(value: u64) -> Self { value as $t }
})* } }
word!(u8 u16 u32 u64);

/// Where a block of registers lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mmio(usize);

impl Mmio {
    /// A block of registers at `base`.
    ///
    /// # Safety
    /// On the target, `base` is mapped as device memory for as long as the block is used, and accesses within the
    /// device's size have no effect on memory that Rust code owns.
    pub const unsafe fn new(base: usize) -> Self {
        Self(base)
    }
    /// Address of the block.
    pub const fn base(self) -> usize {
        self.0
    }
    /// The block `bytes` further on, for devices that repeat (redistributors).
    #[must_use]
    pub const fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes)
    }
    /// The register at `offset` bytes.
    #[inline(always)]
    pub const fn reg<T, R: RegisterLongName, A>(self, offset: usize) -> Reg<T, R, A> {
        Reg { at: self.0 + offset, of: PhantomData }
    }
}

/// One memory-mapped register: width `T`, fields `R`, access `A`.
pub struct Reg<T, R = (), A = Rw> {
    at: usize,
    of: PhantomData<(T, R, A)>,
}

impl<T: Word, R: RegisterLongName, A: CanRead> Readable for Reg<T, R, A> {
    type T = T;
    type R = R;
    #[inline(always)]
    fn get(&self) -> T {
        #[cfg(target_os = "none")]
        // SAFETY: `Mmio::new`'s caller vouched for the block.
        return unsafe { (self.at as *const T).read_volatile() };
        #[cfg(not(target_os = "none"))]
        return T::from_bus(crate::sim::bus::load(self.at, size_of::<T>()));
    }
}

impl<T: Word, R: RegisterLongName, A: CanWrite> Writeable for Reg<T, R, A> {
    type T = T;
    type R = R;
    #[inline(always)]
    fn set(&self, value: T) {
        #[cfg(target_os = "none")]
        // SAFETY: `Mmio::new`'s caller vouched for the block.
        unsafe {
            (self.at as *mut T).write_volatile(value)
        }
        #[cfg(not(target_os = "none"))]
        crate::sim::bus::store(self.at, size_of::<T>(), value.to_bus())
    }
}
