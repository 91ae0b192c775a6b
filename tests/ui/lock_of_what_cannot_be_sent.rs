//@ error: E0277
//! A raw lock shares what could be sent only.
use kernel::sync::RawSpinLock;
use std::rc::Rc;

static SHARED: RawSpinLock<Option<Rc<u32>>> = RawSpinLock::new(None);

fn main() {}
