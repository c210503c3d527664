//! A line that loses and damages bytes, as a seed says.

use session_sim::{Generator, Probability};

/// What happens to the bytes of a line.
#[derive(Debug)]
pub struct Noise {
    generator: Generator,
    /// Of a byte to be lost, and of one to be another.
    probability: Probability,
}

impl Noise {
    /// Each byte is lost with `probability`, and with the same it becomes another.
    #[must_use]
    pub fn new(seed: u64, probability: Probability) -> Self {
        Self { generator: Generator::new(seed), probability }
    }

    /// What of `bytes` comes out at the other end.
    #[must_use]
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().filter_map(|byte| self.byte(*byte)).collect()
    }

    fn byte(&mut self, byte: u8) -> Option<u8> {
        let lost = self.generator.chance(self.probability);
        let damaged = self.generator.chance(self.probability);
        if lost {
            return None;
        }
        Some(if damaged { byte ^ (1 + self.generator.below(255) as u8) } else { byte })
    }
}
