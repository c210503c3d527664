#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::vec::Vec;

use super::*;
use crate::crypto::suite::RustCrypto;
use crate::crypto::test_vectors::hex;

fn generator(seed: u8) -> Generator {
    Generator::new(Seed::new([seed; 32]))
}

fn static_key(byte: u8) -> StaticKey {
    StaticKey::new(&RustCrypto, Secret::new([byte; 32]))
}

fn digest(generator: &Generator) -> [u8; 32] {
    let mut hash = StateHash::new();
    generator.digest_into(&mut hash);
    hash.finish()
}

/// Computed by an independent HKDF.
#[test]
fn the_stream_of_a_seed_is_pinned() {
    let mut generator = generator(1);
    let mut bytes = [0; 72];
    generator.fill(&mut bytes);
    let expected = hex("acc245104beb58892ecb50e0f8b0af1b93780d88109dad868bc5e09219e560d0
                        063ebdaf4f8c8c5efef9d3b215e081cfd344104b7ab61abc07e8ce2336996275
                        d824ef9b59d650e3f69a39b02c6e44e1e0f3262de9ec6a1da8262a541d49482d");
    assert_eq!(bytes, expected[..72], "a draw of less than a block spends the block");
    let ephemeral = generator.hedged_ephemeral(&static_key(5), b"transcript");
    assert_eq!(ephemeral.expose()[..], hex("8bf3855ff9f3e465f77788627edc8f9e2037988ba2ae3a5198fa41804a629262"));
}

#[test]
fn every_draw_moves_the_state() {
    let mut generator = generator(1);
    let mut seen = BTreeSet::from([digest(&generator)]);
    generator.fill(&mut [0; 1]);
    assert!(seen.insert(digest(&generator)));
    let _ = generator.draw_secret();
    assert!(seen.insert(digest(&generator)));
    let _ = generator.u64();
    assert!(seen.insert(digest(&generator)));
    let _ = generator.hedged_ephemeral(&static_key(5), b"");
    assert!(seen.insert(digest(&generator)));
    generator.add_entropy(Seed::new([0; 32]));
    assert!(seen.insert(digest(&generator)));
}

#[test]
fn added_entropy_parts_two_copies() {
    let (mut one, mut other, mut third) = (generator(1), generator(1), generator(1));
    one.add_entropy(Seed::new([2; 32]));
    other.add_entropy(Seed::new([3; 32]));
    let drawn = [one.draw_secret(), other.draw_secret(), third.draw_secret()];
    assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2] && drawn[0] != drawn[2]);
}

#[test]
fn a_hedged_ephemeral_depends_on_everything() {
    let draw = |seed, key, transcript: &[u8]| *generator(seed).hedged_ephemeral(&static_key(key), transcript).expose();
    let reference = draw(1, 5, b"one");
    assert_eq!(reference, draw(1, 5, b"one"), "same seed and same calls give the same bytes");
    assert_ne!(reference, draw(2, 5, b"one"));
    assert_ne!(reference, draw(1, 6, b"one"));
    assert_ne!(reference, draw(1, 5, b"two"));
    assert_ne!(reference, *generator(1).draw_secret().expose());

    let mut counted = generator(1);
    counted.hedged = 1;
    assert_ne!(reference, *counted.hedged_ephemeral(&static_key(5), b"one").expose());
}

#[test]
fn numbers_stay_below_their_bound_and_reach_all_below_it() {
    let mut generator = generator(1);
    assert_eq!(generator.below(0), 0);
    assert_eq!(generator.below(1), 0);
    for bound in [2, 3, 10] {
        let drawn: BTreeSet<_> = (0..400).map(|_| generator.below(bound)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), (0..bound).collect::<Vec<_>>());
    }
    for bound in [(1 << 63) + 1, u64::MAX] {
        assert!((0..50).all(|_| generator.below(bound) < bound));
    }
}

/// Without rejection every second result would be a multiple of 3 here.
#[test]
fn a_large_bound_favours_nobody() {
    let mut generator = generator(1);
    let multiples = (0..300).filter(|_| generator.below(3 << 62).is_multiple_of(3)).count();
    assert!((75..125).contains(&multiples), "{multiples} of 300");
}
