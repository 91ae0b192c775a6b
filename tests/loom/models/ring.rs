//! Does a reader of a ring get whole records while the producer overwrites them?
use crate::explore;
use logic::ring::{Bytes, Cursor, Read, Ring};
use loom::{sync::Arc, thread};

/// PK-01.1: a reader beside a producer that laps it: whatever is read is whole, in order, with its gaps counted.
#[test]
fn ring_reader_never_sees_a_torn_record() {
    explore(4, || {
        let ring = Arc::new(Ring::<4>::new());
        let shared = Arc::clone(&ring);
        let reader = thread::spawn(move || {
            let (mut cursor, mut buf) = (Cursor::default(), [0; 8]);
            for _ in 0..2 {
                let expected = cursor.next_seq();
                if let Read::Record { len, seq, dropped, truncated } = shared.read(&mut cursor, &mut buf) {
                    assert_eq!((seq, len, truncated), (expected + dropped, 8, false));
                    assert_eq!(buf, [seq as u8 + 1; 8]);
                }
            }
        });
        for i in 1..=3u8 {
            ring.push(&[i; 8]);
        }
        reader.join().unwrap();
    });
}

/// A serial line's bytes arrive whole and in order, and a full queue refuses.
#[test]
fn ring_byte_queue_keeps_every_byte_in_order() {
    explore(4, || {
        let queue = Arc::new(Bytes::<2>::new());
        let shared = Arc::clone(&queue);
        let consumer = thread::spawn(move || std::array::from_fn::<_, 3, _>(|_| shared.pop()));
        let pushed: Vec<u8> = (1..=4).filter(|byte| queue.push(*byte)).collect();
        let mut popped: Vec<u8> = consumer.join().unwrap().into_iter().flatten().collect();
        popped.extend(std::iter::from_fn(|| queue.pop()));
        assert_eq!(popped, pushed);
    });
}
