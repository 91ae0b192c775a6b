//@ pass
//! MQ-11: a queue passes on what can be sent only.
use kernel::sync::MessageQueue;
use std::sync::Arc;

static SHARED: MessageQueue<Arc<u32>, 4> = MessageQueue::new();

fn main() {}
