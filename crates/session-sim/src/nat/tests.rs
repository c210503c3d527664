use super::*;

fn address(host: u8) -> Address {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), 4000).into()
}

fn seconds(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

const INNER: u8 = 1;

#[test]
fn a_mapping_serves_all_remotes_and_leads_back() {
    let mut nat = Nat::new(NatConfig::default(), 7);
    let outer = nat.outgoing(address(INNER), address(2), seconds(0));
    assert_ne!(outer, address(INNER));
    assert_eq!(nat.outgoing(address(INNER), address(3), seconds(1)), outer);
    assert_eq!(nat.incoming(outer, address(3), seconds(1)), Some(address(INNER)));
    let other = nat.outgoing(address(9), address(3), seconds(1));
    assert_ne!(other, outer, "another node inside");
    assert_eq!(nat.incoming(other, address(3), seconds(1)), Some(address(9)));
}

#[test]
fn only_who_was_written_to_gets_in() {
    let mut nat = Nat::new(NatConfig::default(), 7);
    let outer = nat.outgoing(address(INNER), address(2), seconds(0));
    assert_eq!(nat.incoming(outer, address(3), seconds(0)), None);
    assert_eq!(nat.incoming(address(5), address(2), seconds(0)), None, "no such mapping");
    assert_eq!(nat.filtered(), 2);
    let mut open = Nat::new(NatConfig { filters: false, ..NatConfig::default() }, 7);
    let outer = open.outgoing(address(INNER), address(2), seconds(0));
    assert_eq!(open.incoming(outer, address(3), seconds(0)), Some(address(INNER)));
}

#[test]
fn a_mapping_lives_by_what_goes_out_and_not_by_what_comes_in() {
    let mut nat = Nat::new(NatConfig::default(), 7);
    let outer = nat.outgoing(address(INNER), address(2), seconds(0));
    assert_eq!(nat.outgoing(address(INNER), address(2), seconds(29)), outer);
    assert!(nat.incoming(outer, address(2), seconds(58)).is_some());
    assert_eq!(nat.incoming(outer, address(2), seconds(59)), None, "30 s after the last that went out");
    let again = nat.outgoing(address(INNER), address(2), seconds(60));
    assert_ne!(again, outer, "outer addresses are not used twice");
    assert_eq!(nat.rebound(), 1);
}

#[test]
fn one_that_forgets_gives_new_addresses_and_knows_no_old_ones() {
    let mut nat = Nat::new(NatConfig::default(), 7);
    let outer = nat.outgoing(address(INNER), address(2), seconds(0));
    nat.forget();
    assert_eq!(nat.incoming(outer, address(2), seconds(0)), None);
    assert_ne!(nat.outgoing(address(INNER), address(2), seconds(0)), outer);
    assert_eq!(nat.rebound(), 1);
}

#[test]
fn a_symmetric_one_has_a_mapping_for_each_remote() {
    let mut nat = Nat::new(NatConfig { is_symmetric: true, ..NatConfig::default() }, 7);
    let [one, other] = [2, 3].map(|remote| nat.outgoing(address(INNER), address(remote), seconds(0)));
    assert_ne!(one, other);
    assert_eq!(nat.incoming(one, address(2), seconds(0)), Some(address(INNER)));
    assert_eq!(nat.incoming(one, address(3), seconds(0)), None);
    assert_eq!(nat.rebound(), 0, "another remote is no rebinding");
}

#[test]
fn memory_is_bounded() {
    let mut nat = Nat::new(NatConfig::default(), 7);
    for host in 0..=255 {
        nat.outgoing(address(host), address(1), seconds(0));
        nat.outgoing(address(0), address(host), seconds(0));
    }
    assert!(nat.mappings.len() <= MAPPINGS && nat.mappings.iter().all(|mapping| mapping.remotes.len() <= REMOTES));
}

#[test]
fn opaque_addresses_stay_opaque_and_keep_their_low_half() {
    let mut nat = Nat::new(NatConfig::default(), 7);
    let outer = nat.outgoing(Address::Opaque(5_u128.to_be_bytes()), address(2), seconds(0));
    let Address::Opaque(bytes) = outer else { panic!("{outer:?}") };
    assert_eq!(u128::from_be_bytes(bytes) as u64, 5);
}
