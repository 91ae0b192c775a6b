//@ error: E0277
//! MQ-11: a queue passes on what can be sent only.
use kernel::sync::MessageQueue;
use std::rc::Rc;

static SHARED: MessageQueue<Rc<u32>, 4> = MessageQueue::new();

fn main() {}
