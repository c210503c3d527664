use std::format;

use super::*;

#[test]
fn a_peer_is_shown_in_hexadecimal() {
    let peer = PeerId::from_bytes(core::array::from_fn(|index| index as u8));
    let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    assert_eq!(format!("{peer}"), digits);
    assert_eq!(format!("{peer:?}"), format!("PeerId({digits})"));
}
