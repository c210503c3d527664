//! Loss that comes in bursts: the model of Gilbert and Elliott.

use super::Probability;
use crate::Generator;

/// Two states with a loss of their own each, and the chance of going from one to the other, drawn before each datagram.
///
/// In the long run the share of datagrams met in the bad state is `to_bad / (to_bad + to_good)`, and a stay there is
/// `1 / to_good` datagrams long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// From good to bad.
    pub to_bad: Probability,
    /// From bad to good.
    pub to_good: Probability,
    /// Loss in the good state.
    pub loss_when_good: Probability,
    /// Loss in the bad state.
    pub loss_when_bad: Probability,
}

impl Bursts {
    /// Gilbert's model: nothing is lost in the good state, everything in the bad one, which lasts `length` datagrams on average (at least 1); of
    /// all datagrams about `loss` are lost.
    #[must_use]
    pub fn of(loss: Probability, length: u32) -> Self {
        let to_good = 1_000_000 / length.max(1);
        let (lost, kept) = (u64::from(loss.ppm()), u64::from(Probability::ALWAYS.ppm() - loss.ppm()));
        let to_bad = (lost * u64::from(to_good)).checked_div(kept).map_or(1_000_000, |ppm| ppm.min(1_000_000) as u32);
        Self {
            to_bad: Probability::from_ppm(to_bad),
            to_good: Probability::from_ppm(to_good),
            loss_when_good: Probability::NEVER,
            loss_when_bad: Probability::ALWAYS,
        }
    }

    /// The state before the next datagram, and whether that datagram is lost.
    pub(super) fn draw(&self, is_bad: &mut bool, generator: &mut Generator) -> bool {
        let leaves = generator.chance(if *is_bad { self.to_good } else { self.to_bad });
        *is_bad ^= leaves;
        generator.chance(if *is_bad { self.loss_when_bad } else { self.loss_when_good })
    }
}
