use super::*;

#[test]
fn stream_matches_the_published_test_vector() {
    let mut generator = Generator::new(1_234_567);
    let words = [(); 5].map(|()| generator.next_u64());
    assert_eq!(
        words,
        [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821
        ]
    );
}

#[test]
fn below_covers_its_range_and_nothing_else() {
    let mut generator = Generator::new(7);
    let mut seen = [false; 5];
    for _ in 0..1_000 {
        seen[usize::try_from(generator.below(5)).unwrap()] = true;
    }
    assert_eq!(seen, [true; 5]);
    assert_eq!(generator.below(0), 0);
    assert_eq!(generator.below(1), 0);
}

#[test]
fn never_and_always_are_exact() {
    let mut generator = Generator::new(9);
    for _ in 0..10_000 {
        assert!(!generator.chance(Probability::NEVER));
        assert!(generator.chance(Probability::ALWAYS));
    }
}
