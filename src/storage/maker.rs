//! The process that makes a claim, as its token names it: its number, and where that number means something.

use std::sync::LazyLock;

/// What a token begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maker {
    /// The number of the process.
    pub process: u32,
    /// Differs, as far as it is known, between machines, their boots and their containers.
    pub realm: u32,
}

static REALM: LazyLock<u32> = LazyLock::new(|| {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    crc32fast::hash(&[boot, processes.as_os_str().as_encoded_bytes().to_vec()].concat())
});

impl Maker {
    /// Bytes that it takes.
    pub const LENGTH: usize = 8;

    /// This process.
    pub fn this() -> Self {
        Self { process: std::process::id(), realm: *REALM }
    }

    /// The bytes of a token.
    pub fn bytes(self) -> [u8; Self::LENGTH] {
        let ([a, b, c, d], [e, f, g, h]) = (self.process.to_le_bytes(), self.realm.to_le_bytes());
        [a, b, c, d, e, f, g, h]
    }

    /// From the bytes of a token.
    pub fn of(bytes: [u8; Self::LENGTH]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { process: u32::from_le_bytes([a, b, c, d]), realm: u32::from_le_bytes([e, f, g, h]) }
    }
}
