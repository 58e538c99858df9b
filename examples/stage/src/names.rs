//! What people and places may be called.

/// A name without outer blanks, if it is 1 to `most` characters that can all be seen.
pub fn tidy(name: &str, most: usize) -> Option<String> {
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= most;
    (fits && !name.chars().any(is_unseen)).then(|| name.to_owned())
}

/// Characters that show nothing or turn the text around: with them one could look like somebody else.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_looks_like_somebody_else_by_characters_that_are_not_seen() {
        for name in ["Ada\u{200b}", "\u{200b}", "\u{202e}adA", "A\u{2060}da", "Ada\u{fe0f}", "\u{3164}", "A\nda"] {
            assert_eq!(tidy(name, 24), None, "{name:?}");
        }
        assert_eq!(tidy(" Zoë 🐟 Ñandú ", 24).as_deref(), Some("Zoë 🐟 Ñandú"));
    }

    #[test]
    fn a_name_has_one_character_at_least_and_no_more_than_allowed() {
        assert_eq!((tidy("", 3), tidy("  ", 3), tidy("abcd", 3)), (None, None, None));
        assert_eq!(tidy("äöü", 3).as_deref(), Some("äöü"));
    }
}
