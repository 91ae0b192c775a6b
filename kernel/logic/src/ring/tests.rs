//! Records in pieces, too long, overwritten, and read beside a running producer.

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

fn record(len: usize, seq: u64, dropped: u64) -> Read {
    Read::Record { len, seq, dropped, truncated: false }
}

#[test]
fn pk_01_2_a_slow_reader_is_told_once_how_many_records_it_missed() {
    let ring = Ring::<16>::new();
    let (mut cursor, mut buf) = (Cursor::default(), [0; 64]);
    for i in 0..10u8 {
        assert_eq!(ring.push(&[i; 16]), u64::from(i));
    }
    // Three words a record: five fit into sixteen words.
    assert_eq!(ring.read(&mut cursor, &mut buf), record(16, 5, 5));
    assert_eq!(buf[..16], [5; 16]);
    for seq in 6..10 {
        assert_eq!(ring.read(&mut cursor, &mut buf), record(16, seq, 0));
    }
    assert_eq!(ring.read(&mut cursor, &mut buf), Read::Empty);
}

#[test]
fn pk_01_4_too_long_a_record_is_cut_and_marked_and_the_next_is_whole() {
    let ring = Ring::<{ words(4096) }>::new();
    let (mut cursor, mut buf) = (Cursor::default(), [0; 1024]);
    ring.push(&[1; MAX_RECORD + 1]);
    ring.push(&[2; MAX_RECORD]);
    let first = ring.read(&mut cursor, &mut buf);
    assert_eq!(first, Read::Record { len: MAX_RECORD, seq: 0, dropped: 0, truncated: true });
    assert_eq!(ring.read(&mut cursor, &mut buf), record(MAX_RECORD, 1, 0));
    assert_eq!(buf[..MAX_RECORD], [2; MAX_RECORD]);
}

#[test]
fn a_short_buffer_gets_the_beginning_and_the_mark() {
    let ring = Ring::<16>::new();
    ring.push(b"abcdefghij");
    let mut buf = [0; 9];
    let read = ring.read(&mut Cursor::default(), &mut buf);
    assert_eq!(read, Read::Record { len: 9, seq: 0, dropped: 0, truncated: true });
    assert_eq!(&buf, b"abcdefghi");
}

#[test]
fn a_record_begun_over_an_open_one_is_whole_and_the_open_one_counts_as_dropped() {
    let ring = Ring::<16>::new();
    ring.begin();
    ring.write(b"half");
    ring.push(b"nested");
    ring.write(b" gone");
    assert_eq!(ring.commit(), None);
    let (mut cursor, mut buf) = (Cursor::default(), [0; 64]);
    assert_eq!(ring.read(&mut cursor, &mut buf), record(6, 1, 1));
    assert_eq!(&buf[..6], b"nested");
    assert_eq!(ring.read(&mut cursor, &mut buf), Read::Empty);
}

#[test]
fn a_reader_can_start_at_a_sequence() {
    let ring = Ring::<64>::new();
    for i in 0..6u8 {
        ring.push(&[i]);
    }
    let mut cursor = Cursor::from_seq(ring.next_seq() - 2);
    let mut buf = [0; 8];
    assert_eq!(ring.read(&mut cursor, &mut buf), record(1, 4, 0));
    assert_eq!(ring.read(&mut cursor, &mut buf), record(1, 5, 0));
    assert_eq!(ring.read(&mut cursor, &mut buf), Read::Empty);
    ring.push(b"x");
    assert_eq!(ring.read(&mut cursor, &mut buf), record(1, 6, 0));
}

#[test]
fn records_read_beside_a_running_producer_are_whole_and_gaps_are_counted() {
    let ring = Ring::<32>::new();
    const RECORDS: u64 = 200_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..RECORDS {
                ring.push(&[i as u8; 40][..i as usize % 41]);
            }
        });
        let (mut cursor, mut buf) = (Cursor::default(), [0; 64]);
        let (mut seen, mut missed) = (0, 0);
        while seen + missed < RECORDS {
            let Read::Record { len, seq, dropped, truncated } = ring.read(&mut cursor, &mut buf) else { continue };
            assert_eq!((len as u64, truncated), (seq % 41, false));
            assert!(buf[..len].iter().all(|byte| *byte == seq as u8));
            seen += 1;
            missed += dropped;
            assert_eq!(seen + missed, seq + 1);
        }
    });
}

proptest! {
    /// Records written in pieces come out as if pushed whole; the kept ones are the newest, and gaps are counted.
    #[test]
    fn pieces_and_laps(records in prop::collection::vec(
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..5), 0..60), read_every in 1usize..20)
    {
        let ring = Ring::<32>::new();
        let (mut cursor, mut buf) = (Cursor::default(), [0; 256]);
        let mut expected = 0;
        for (i, pieces) in records.iter().enumerate() {
            let seq = ring.begin();
            pieces.iter().for_each(|piece| ring.write(piece));
            prop_assert_eq!(ring.commit(), Some(seq));
            if i % read_every != 0 && i + 1 != records.len() {
                continue;
            }
            while let Read::Record { len, seq, dropped, truncated } = ring.read(&mut cursor, &mut buf) {
                prop_assert_eq!(seq, expected + dropped);
                let whole: Vec<u8> = records[seq as usize].concat();
                prop_assert_eq!(truncated, whole.len() > Ring::<32>::LIMIT);
                prop_assert_eq!(&buf[..len], &whole[..whole.len().min(Ring::<32>::LIMIT)]);
                expected = seq + 1;
            }
            prop_assert_eq!(expected, i as u64 + 1);
        }
    }
}
