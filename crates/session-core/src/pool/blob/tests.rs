use std::vec::Vec;

use super::*;

#[test]
fn bytes_of_every_size_come_back_and_blocks_go_back() {
    let mut pool = Pool::new(5, 64, 5);
    for len in [0usize, 1, 63, 64, 65, 128, 320] {
        let bytes: Vec<u8> = (0..len).map(|index| index as u8).collect();
        let mut blob = Blob::store(&mut pool, &bytes).unwrap();
        let mut out = [0; 400];
        assert_eq!(blob.copy(&pool, &mut out), len);
        assert_eq!(out[..len], bytes);
        let mut short = [0; 10];
        assert_eq!(blob.copy(&pool, &mut short), len.min(10));
        blob.release(&mut pool);
        assert_eq!(pool.free(), 5);
    }
}

#[test]
fn what_does_not_fit_takes_nothing() {
    let mut pool = Pool::new(5, 64, 4);
    assert!(Blob::store(&mut pool, &[1; 257]).is_none());
    assert_eq!(pool.free(), 5);
}
