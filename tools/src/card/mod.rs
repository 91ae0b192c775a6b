//! How does the kernel get onto a Raspberry Pi's card? Beside files that are not the tool's, which it never touches unasked.
//!
//! [`content`] makes the files, [`note`] remembers what was written, [`plan`] compares them with what is there, and [`write`]
//! carries that out. [`firmware`] names what must be there besides and has to come from elsewhere.

pub mod content;
pub mod firmware;
pub mod note;
pub mod plan;
pub mod write;
