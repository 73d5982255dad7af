//! Random bits from the kernel.

/// `count` random bytes in hexadecimal.
///
/// # Errors
/// If the kernel gives none.
pub(crate) fn hexadecimal(count: usize) -> std::io::Result<String> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// A number from 0 to 1000, for jitter; 500 if the kernel gives no random bits.
#[must_use]
pub(crate) fn thousandth() -> u16 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u16::from_le_bytes(bytes) % 1001,
        Err(_) => 500,
    }
}
