//! How is a record written at its call site? One set of macros for both machines.
//!
//! Placeholders are `{}` only, which defmt and `core::fmt` both understand. `usize` and pointers are logged as `u64`: defmt
//! cuts them to 32 bits.

/// Records something that failed.
#[macro_export]
macro_rules! log_error {
    ($($arg:tt)*) => { $crate::__log!(error, Error, $($arg)*) };
}
/// Records something that may fail.
#[macro_export]
macro_rules! log_warn {
    ($($arg:tt)*) => { $crate::__log!(warn, Warning, $($arg)*) };
}
/// Records something that happened.
#[macro_export]
macro_rules! log_info {
    ($($arg:tt)*) => { $crate::__log!(info, Info, $($arg)*) };
}
/// Records something for whoever looks for a fault.
#[macro_export]
macro_rules! log_debug {
    ($($arg:tt)*) => { $crate::__log!(debug, Debug, $($arg)*) };
}

#[doc(hidden)]
#[macro_export]
#[cfg(target_os = "none")]
macro_rules! __log {
    ($defmt:ident, $severity:ident, $($arg:tt)*) => {
        if $crate::log::enabled($crate::log::Severity::$severity) {
            $crate::__private::defmt::$defmt!($($arg)*)
        }
    };
}
#[doc(hidden)]
#[macro_export]
#[cfg(not(target_os = "none"))]
macro_rules! __log {
    ($defmt:ident, $severity:ident, $($arg:tt)*) => {
        if $crate::log::enabled($crate::log::Severity::$severity) {
            $crate::log::__store(format_args!($($arg)*))
        }
    };
}

/// In the simulation a record is its text.
#[doc(hidden)]
#[cfg(not(target_os = "none"))]
pub fn __store(args: core::fmt::Arguments<'_>) {
    super::store(alloc::format!("{args}").as_bytes());
}
#[doc(hidden)]
#[cfg(target_os = "none")]
pub fn __store(_: core::fmt::Arguments<'_>) {}
