//! Counting words as the word-count job defines them.
//!
//! A line ends at `\n`, `\r` or `\r\n`, as Hadoop's line reader has it, and what follows the last
//! line end is a line only if there is something. Each line is split at single blanks and every part
//! counts, the empty ones too: a line of n blanks has n + 1 words, an empty line one.

/// How many words `text` has.
pub fn words(text: &[u8]) -> u64 {
    let mut count = 0u64;
    let mut open = false;
    let mut returned = false;
    for &byte in text {
        match byte {
            b'\n' if returned => {}
            b'\n' | b'\r' => {
                count += 1;
                open = false;
            }
            _ => {
                open = true;
                count += u64::from(byte == b' ');
            }
        }
        returned = byte == b'\r';
    }
    count + u64::from(open)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::words;

    /// The same definition in the words of the job's own language.
    fn split(text: &str) -> u64 {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines = text.strip_suffix('\n').unwrap_or(&text);
        if text.is_empty() {
            return 0;
        }
        lines.split('\n').map(|line| line.split(' ').count() as u64).sum()
    }

    #[test]
    fn small_texts() {
        for (text, expected) in [
            ("", 0),
            ("\n", 1),
            ("a", 1),
            ("a b\n", 2),
            ("a  b", 3),
            (" ", 2),
            ("a\r\nb", 2),
            ("a\rb\r", 2),
            ("a\n\nb\n", 3),
            ("a\r\n\r\n", 2),
        ] {
            assert_eq!(words(text.as_bytes()), expected, "{text:?}");
            assert_eq!(split(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn both_definitions_agree(text in "[ab \r\n]{0,40}") {
            prop_assert_eq!(words(text.as_bytes()), split(&text));
        }
    }
}
