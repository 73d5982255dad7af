//! Text from elsewhere, made harmless for a terminal (reliability document, S36).
//!
//! A name, a message or a log line may hold what a terminal obeys: colours, cursor moves, the title
//! of its window, an answer typed on the person's behalf. Such characters are shown by their
//! numbers, in the form that JSON and YAML have for them, so that data stays data.

/// `text` with every character that steers a terminal written as `\uXXXX`; line ends and tabs stay.
#[must_use]
pub fn neutral(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || c == '\t' || !steers(c) {
            out.push(c);
        } else {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    out
}

/// Whether a terminal does something at `c` other than to show it: the control characters of ASCII
/// and of its extension, and what turns the direction of the text around it.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s36_what_steers_a_terminal_is_shown_and_the_rest_stays() {
        assert_eq!(neutral("a\tb\nc é 漢 🙂"), "a\tb\nc é 漢 🙂");
        assert_eq!(neutral("\u{1b}[31mred\u{1b}[0m"), "\\u001b[31mred\\u001b[0m");
        assert_eq!(
            neutral("over\rwritten\u{7}\u{7f}\u{9b}2J"),
            "over\\u000dwritten\\u0007\\u007f\\u009b2J"
        );
        assert_eq!(neutral("user\u{202e}nimda"), "user\\u202enimda");
    }

    /// What a program would have read from the data it reads from what was made of it.
    #[test]
    fn s36_json_means_the_same_afterwards() {
        let data = serde_json::json!({ "message": "\u{1b}]0;title\u{7}\u{9b}\u{202e}", "n": 1 });
        let text = neutral(&data.to_string());
        assert!(!text.chars().any(steers), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), data);
    }
}
