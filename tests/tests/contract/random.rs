//! Reproducible randomness for what is fuzzed: a seed is printed with every failure, and given back by
//! `KLEENE_FUZZ_SEED`; how many cases there are says `KLEENE_FUZZ_CASES`.

use serde_json::{Value, json};

/// A stream of numbers that looks random (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

/// A number in the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

/// The seeds of a run: one, if it is named.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    match setting("KLEENE_FUZZ_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("KLEENE_FUZZ_CASES").unwrap_or(usual),
    }
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to and without `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// A text that is no identifier of anything: it holds what neither ids nor names have.
    pub fn text(&mut self) -> String {
        let pieces = [
            "%", "\"", "\\", "\u{0}", "\n", "$(x)", "🦀", "ä", "../", "..", " ", "'", ";", "<auto>",
            "\u{202e}", "{}",
        ];
        let plain = ["a", "0", "-", "_", ".", "z9", "latest"];
        let mut text = (*self.pick::<&str>(&pieces)).to_owned();
        for _ in 0..self.below(12) {
            text += if self.below(2) == 0 {
                self.pick::<&str>(&pieces)
            } else {
                self.pick::<&str>(&plain)
            };
        }
        if self.below(40) == 0 {
            text.repeat(2000)
        } else {
            text
        }
    }

    /// Any JSON.
    pub fn json(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.next() as i64),
            3 => json!(self.next() as f64 / 7.0),
            4 => json!(u64::MAX),
            5 => json!(self.text()),
            6 => (0..self.below(4)).map(|_| self.json(depth - 1)).collect(),
            _ => {
                let entries = (0..self.below(4)).map(|_| (self.text(), self.json(depth - 1)));
                Value::Object(entries.collect())
            }
        }
    }
}
