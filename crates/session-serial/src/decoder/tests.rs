#![expect(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{encode, max_frame};

const LONGEST: usize = 600;

fn frame_of(datagram: &[u8]) -> Vec<u8> {
    let mut frame = vec![7; max_frame(datagram.len())];
    let length = encode(datagram, &mut frame).unwrap();
    frame.truncate(length);
    frame
}

/// What comes out of a line that carried `bytes`.
fn decode(bytes: &[u8]) -> (Vec<Vec<u8>>, Counts) {
    let mut decoder = Decoder::new([0; LONGEST + CHECK]);
    let datagrams = bytes.iter().filter_map(|byte| decoder.push(*byte).map(|datagram| datagram.to_vec())).collect();
    (datagrams, decoder.counts())
}

/// The check value of the catalogue of CRCs, and the frame check sequence of RFC 1662.
#[test]
fn the_check_is_crc_16_ibm_sdlc_low_byte_first() {
    assert_eq!(check_of(b"123456789"), [0x6e, 0x90]);
    assert_eq!(check_of(b""), [0, 0]);
}

/// The published examples of COBS, with the check behind each.
#[test]
fn frames_are_cobs_between_zeros() {
    assert_eq!(frame_of(b"123456789"), b"\x00\x0c123456789\x6e\x90\x00");
    assert_eq!(frame_of(b""), [0, 1, 1, 1, 0]);
    let [low, high] = check_of(&[0, 0, 0x11, 0]);
    assert_eq!(frame_of(&[0, 0, 0x11, 0]), [0, 1, 1, 2, 0x11, 3, low, high, 0]);
}

/// Around the 254 bytes after which COBS adds one.
#[test]
fn every_length_fits_its_longest_frame_and_comes_back() {
    for length in 0..=LONGEST {
        for datagram in [vec![0; length], vec![0x55; length], (0..length).map(|at| at as u8).collect()] {
            let frame = frame_of(&datagram);
            assert!(frame.len() <= max_frame(length), "{length}");
            assert!(frame[1..frame.len() - 1].iter().all(|byte| *byte != DELIMITER), "{length}");
            assert_eq!(decode(&frame).0, [datagram], "{length}");
            assert_eq!(encode(&[0x55; LONGEST][..length], &mut vec![0; max_frame(length) - 1]), None);
        }
    }
}

#[test]
fn what_does_not_fit_the_buffer_is_counted_and_the_next_is_heard() {
    let mut decoder = Decoder::new([0; 10 + CHECK]);
    let line = [frame_of(&[9; 11]), frame_of(&[0; 300]), frame_of(&[9; 10])].concat();
    let heard: Vec<_> = line.iter().filter_map(|byte| decoder.push(*byte).map(|datagram| datagram.to_vec())).collect();
    assert_eq!(heard, [vec![9; 10]]);
    assert_eq!(decoder.counts(), Counts { datagrams: 1, damaged: 0, oversized: 2 });
}

/// A CRC of 16 bits finds every single flipped bit; most show as a frame that is none already.
#[test]
fn no_flipped_bit_gets_through() {
    let datagram: Vec<u8> = (0..200).map(|at| (at % 7) as u8).collect();
    let frame = frame_of(&datagram);
    for bit in 8..(frame.len() - 1) * 8 {
        let mut damaged = frame.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let line = [damaged, frame.clone()].concat();
        let (heard, counts) = decode(&line);
        assert_eq!(heard, std::slice::from_ref(&datagram), "bit {bit}");
        assert!(counts.damaged > 0, "bit {bit}");
    }
}

/// The same of every lost byte, the frame's own delimiters but for one included.
#[test]
fn no_lost_byte_gets_through() {
    let datagram: Vec<u8> = (0..200).map(|at| (at % 7) as u8).collect();
    let frame = frame_of(&datagram);
    for lost in 0..frame.len() {
        let damaged = [&frame[..lost], &frame[lost + 1..]].concat();
        let line = [damaged, frame.clone()].concat();
        let (heard, counts) = decode(&line);
        let harmless = lost == 0 || lost == frame.len() - 1;
        assert_eq!(heard.len(), if harmless { 2 } else { 1 }, "byte {lost}");
        assert!(heard.iter().all(|heard| *heard == datagram), "byte {lost}");
        assert_eq!(counts.damaged, u64::from(!harmless), "byte {lost}");
    }
}

proptest! {
    #[test]
    fn datagrams_come_back_whole_and_in_order(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..LONGEST), 0..8),
    ) {
        let line: Vec<u8> = datagrams.iter().flat_map(|datagram| frame_of(datagram)).collect();
        let (heard, counts) = decode(&line);
        prop_assert_eq!(counts, Counts { datagrams: datagrams.len() as u64, damaged: 0, oversized: 0 });
        prop_assert_eq!(heard, datagrams);
    }

    /// Whatever stood on the line before a frame, the frame is heard, last and whole.
    #[test]
    fn any_noise_costs_no_frame_after_it(
        noise in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..1500),
        datagram in prop::collection::vec(any::<u8>(), 0..LONGEST),
    ) {
        let (heard, _) = decode(&[noise, frame_of(&datagram)].concat());
        prop_assert_eq!(heard.last(), Some(&datagram));
    }

    /// Damage inside one frame costs that frame alone.
    #[test]
    fn damage_costs_the_frame_it_hits(
        before in prop::collection::vec(any::<u8>(), 1..LONGEST),
        damage in prop::collection::vec(any::<u8>(), 0..50),
        place in any::<prop::sample::Index>(),
        after in prop::collection::vec(any::<u8>(), 1..LONGEST),
    ) {
        let hit = frame_of(b"what is hit");
        let place = place.index(hit.len() - 1) + 1;
        let hit = [&hit[..place], &damage, &hit[place..]].concat();
        let (heard, counts) = decode(&[frame_of(&before), hit, frame_of(&after)].concat());
        prop_assert_eq!(heard.first(), Some(&before));
        prop_assert_eq!(heard.last(), Some(&after));
        prop_assert!(counts.datagrams as usize == heard.len() && counts.oversized == 0);
    }
}
