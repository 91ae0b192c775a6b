//@ pass
//! A raw lock shares what could be sent only.
use kernel::sync::RawSpinLock;
use std::sync::Arc;

static SHARED: RawSpinLock<Option<Arc<u32>>> = RawSpinLock::new(None);

fn main() {}
