use super::*;

#[test]
fn a_reservation_is_kept_while_open_holders_take_the_rest() {
    let mut pool = Pool::new(8, 64, 8);
    let mut reservation = Reservation::default();
    assert!(pool.reserve(&mut reservation, 5));
    let open: Vec<_> = core::iter::from_fn(|| pool.take_open()).collect();
    assert_eq!(open.len(), 3);
    let mut other = Reservation::default();
    assert!(!pool.reserve(&mut other, 1));
    let held: Vec<_> = core::iter::from_fn(|| pool.take_reserved(&mut reservation)).collect();
    assert_eq!(held.len(), 5);
    assert_eq!(pool.free(), 0);
    for block in held {
        pool.free_reserved(block, &mut reservation);
    }
    assert_eq!(pool.take_open(), None, "freed blocks stay promised");
    pool.unreserve(&mut reservation);
    assert!(pool.take_open().is_some());
}

#[test]
fn open_holders_stop_at_their_limit() {
    let mut pool = Pool::new(8, 64, 2);
    let first = pool.take_open().unwrap();
    pool.take_open().unwrap();
    assert_eq!(pool.take_open(), None);
    pool.free_open(first);
    assert!(pool.take_open().is_some());
}

#[test]
fn blocks_come_zeroed_and_chains_hold() {
    let mut pool = Pool::new(2, 64, 2);
    let first = pool.take_open().unwrap();
    let second = pool.take_open().unwrap();
    pool.set_next(first, Some(second));
    assert_eq!(pool.next(first), Some(second));
    pool.bytes_mut(first).fill(7);
    pool.free_open(first);
    let again = pool.take_open().unwrap();
    assert_eq!(again, first);
    assert_eq!(pool.next(again), None);
    assert!(pool.bytes(again).iter().all(|&byte| byte == 0));
}

#[test]
fn an_empty_pool_gives_nothing() {
    let mut pool = Pool::new(0, 64, 1);
    assert_eq!(pool.take_open(), None);
    assert!(!pool.reserve(&mut Reservation::default(), 1));
}

#[test]
fn an_optional_block_is_no_larger_than_a_block() {
    assert_eq!(size_of::<Option<BlockId>>(), 4);
    let mut pool = Pool::new(2, 64, 2);
    let indexes = [pool.take_open(), pool.take_open()].map(|block| block.map(BlockId::index));
    assert_eq!(indexes, [Some(0), Some(1)]);
    assert_eq!(pool.take_open(), None);
}

#[test]
fn payload_leaves_a_share_to_records() {
    for (blocks, share) in [(2, 1), (32, 1), (64, 2), (640, 20)] {
        let mut pool = Pool::new(blocks, 8, blocks).shared_with_records();
        let payload = core::iter::from_fn(|| pool.take_open()).count() as u32;
        let records: Vec<_> = core::iter::from_fn(|| pool.take_for_record()).collect();
        assert_eq!((payload, records.len() as u32), (blocks - share, share));
        // What records took is theirs until they give it back.
        pool.free_open(records[0]);
        assert_eq!(pool.take_open(), None);
        assert!(pool.take_for_record().is_some());
    }
}
