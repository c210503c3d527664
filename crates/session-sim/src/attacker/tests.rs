use super::*;

fn address(number: u8) -> Address {
    Address::Opaque([number; 16])
}

fn all(count: u64, config: AttackerConfig) -> (Vec<Injection>, Attacks) {
    let mut attacker = Attacker::new(config, 1);
    let mut injections = Vec::new();
    for number in 0..count {
        let datagram = [number as u8; 100];
        let now = Instant::from_micros(number);
        injections.extend(attacker.see(now, address(1), address(2), &datagram));
    }
    (injections, *attacker.attacks())
}

#[test]
fn each_attack_is_what_its_name_says() {
    let delay = Duration::from_micros(50);
    let always = Probability::ALWAYS;
    let none = AttackerConfig { delay, ..AttackerConfig::default() };
    let is_whole = |injection: &Injection| injection.datagram.iter().all(|byte| *byte == injection.datagram[0]);

    let (replayed, attacks) = all(500, AttackerConfig { replay: always, ..none });
    assert_eq!((replayed.len(), attacks.replayed), (500, 500));
    assert!(replayed.iter().all(|injection| is_whole(injection) && injection.datagram.len() == 100));
    assert!(replayed.iter().all(|injection| (injection.source, injection.destination) == (address(1), address(2))));

    let (mutated, _) = all(500, AttackerConfig { mutation: always, ..none });
    // Two changes of one byte may cancel out.
    assert!(mutated.iter().filter(|injection| !is_whole(injection)).count() > 490);

    let (truncated, _) = all(500, AttackerConfig { truncation: always, ..none });
    assert!(truncated.iter().all(|injection| injection.datagram.len() < 100));

    let (spoofed, _) = all(500, AttackerConfig { spoofing: always, ..none });
    let elsewhere = spoofed.iter().filter(|injection| injection.source != address(1)).count();
    assert!((150..350).contains(&elsewhere), "half of them claim to be from where nobody is");

    let (injected, _) = all(500, AttackerConfig { injection: always, ..none });
    assert!(injected.iter().all(|injection| !is_whole(injection)));
}

#[test]
fn nothing_arrives_early_or_later_than_the_delay() {
    let config = AttackerConfig { replay: Probability::ALWAYS, delay: Duration::from_micros(50), ..Default::default() };
    let (injections, _) = all(1_000, config);
    assert!(injections.iter().zip(0..).all(|(injection, at)| (at..=at + 50).contains(&injection.at.as_micros())));
}

#[test]
fn one_without_intentions_does_nothing_and_one_with_them_can_be_stopped() {
    assert_eq!(all(100, AttackerConfig::default()).0, []);
    let mut attacker = Attacker::new(AttackerConfig { replay: Probability::ALWAYS, ..Default::default() }, 1);
    attacker.stop();
    assert_eq!(attacker.see(Instant::EPOCH, address(1), address(2), b"x"), []);
}
