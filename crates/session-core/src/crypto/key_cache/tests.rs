#![expect(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::crypto::keys::SessionSecrets;
use crate::crypto::noise::HandshakeOutput;
use crate::crypto::secret::Secret;
use crate::crypto::suite::{DhError, OpenError};
use crate::ids::Role;

/// Keys that are counted instead of computed. Every set of [`PacketKeys`] has four.
#[derive(Default)]
struct Counting(Rc<()>);

impl Counting {
    fn living_sets(&self) -> usize {
        let keys = Rc::strong_count(&self.0) - 1;
        assert_eq!(keys % 4, 0);
        keys / 4
    }
}

impl Provider for Counting {
    type Key = (Rc<()>, [u8; 32]);

    fn expand(&self, secret: &Secret) -> Self::Key {
        (Rc::clone(&self.0), *secret.expose())
    }

    fn seal(&self, _: &Self::Key, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> [u8; 16] {
        [0; 16]
    }

    fn open(&self, _: &Self::Key, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &[u8; 16]) -> Result<(), OpenError> {
        Err(OpenError)
    }

    fn mask(&self, key: &Self::Key, _: &[u8; 16]) -> [u8; 16] {
        core::array::from_fn(|index| key.1[index])
    }

    fn dh(&self, _: &Secret, _: &[u8; 32]) -> Result<Secret, DhError> {
        Err(DhError)
    }

    fn public_key(&self, _: &Secret) -> [u8; 32] {
        [9; 32]
    }
}

fn keys_of(provider: &Counting, owner: u64) -> PacketKeys<Counting> {
    let secrets = SessionSecrets::new(HandshakeOutput {
        hash: [0; 32],
        initiator_to_responder: Secret::new([owner as u8; 32]),
        responder_to_initiator: Secret::new([owner as u8 ^ 0x80; 32]),
    });
    PacketKeys::new(provider, &secrets, Role::Initiator)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Use(u64),
    Forget(u64),
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![5 => (0..8u64).prop_map(Step::Use), 1 => (0..8u64).prop_map(Step::Forget)];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Against a queue of the owners that must be present, the one used last in front.
    #[test]
    fn it_is_a_least_recently_used_cache(capacity in 1..6usize, first_hint in any::<u32>(), steps in any_steps()) {
        let provider = Counting::default();
        let mut cache = KeyCache::new(capacity as u32);
        let allocated = cache.entries.as_ptr();
        let mut hints: BTreeMap<u64, u32> = (0..8).map(|owner| (owner, first_hint % 8)).collect();
        let mut present: VecDeque<u64> = VecDeque::new();
        for step in steps {
            match step {
                Step::Use(owner) => {
                    let mut made = false;
                    let hint = hints.get_mut(&owner).unwrap();
                    let keys = cache.get_or_expand(owner, hint, || {
                        made = true;
                        keys_of(&provider, owner)
                    }).unwrap();
                    let expected = keys_of(&provider, owner).seal_mask(&provider, &[0; 16]);
                    prop_assert_eq!(keys.seal_mask(&provider, &[0; 16]), expected, "the owner's own keys");
                    prop_assert_eq!(made, !present.contains(&owner));
                    present.retain(|other| *other != owner);
                    present.push_front(owner);
                    present.truncate(capacity);
                }
                Step::Forget(owner) => {
                    cache.forget(owner, hints[&owner]);
                    present.retain(|other| *other != owner);
                }
            }
            prop_assert_eq!(provider.living_sets(), present.len(), "what was replaced or forgotten is gone");
        }
        prop_assert_eq!(cache.entries.len(), capacity);
        prop_assert_eq!(cache.entries.as_ptr(), allocated);
    }
}

#[test]
fn there_is_room_for_the_keys_of_one_owner_at_least() {
    let provider = Counting::default();
    let mut cache = KeyCache::new(0);
    let mut hints = [7; 2];
    for owner in [0, 1, 0] {
        assert!(cache.get_or_expand(owner, &mut hints[owner as usize], || keys_of(&provider, owner)).is_some());
        assert_eq!(provider.living_sets(), 1);
    }
}
