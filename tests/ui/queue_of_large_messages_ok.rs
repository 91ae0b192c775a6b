//@ pass
//! MQ-11: a message has 128 bytes at most; larger things are passed on in a box.
use kernel::sync::MessageQueue;

static FRAMES: MessageQueue<Box<[u8; 1500]>, 4> = MessageQueue::new();

fn main() {}
