//! Finds the end of JSON that nobody wants to read, and whether it is JSON.
//!
//! What is passed on has to be checked and nothing else. This walks over it several times as fast as a parser that hands
//! out tokens; the long texts of chats are most of it, and strings are looked at 32 bytes at a time.

/// The most levels of lists and objects that are walked into: one bit for each.
const MAX_DEPTH: u32 = u128::BITS;

/// How many bytes the value at the front has, white space before it included.
///
/// `None` if there is none, or one that is nested deeper than 128 levels: a parser knows more.
pub(super) fn value_len(json: &[u8]) -> Option<usize> {
    let mut walk = Walk { json, at: 0, objects: 0, depth: 0 };
    loop {
        if walk.value()? {
            continue;
        }
        loop {
            if walk.depth == 0 {
                return Some(walk.at);
            }
            if walk.goes_on()? {
                break;
            }
        }
    }
}

struct Walk<'a> {
    json: &'a [u8],
    at: usize,
    /// For each level, the innermost last, whether it is an object.
    objects: u128,
    depth: u32,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek()?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
        }
    }

    /// Goes over a value, or into it: says whether another one must begin now.
    fn value(&mut self) -> Option<bool> {
        match self.next()? {
            b'"' => self.string()?,
            b'{' => return self.open(b'}'),
            b'[' => return self.open(b']'),
            b't' => self.word(b"rue")?,
            b'f' => self.word(b"alse")?,
            b'n' => self.word(b"ull")?,
            b'-' => self.number()?,
            b'0'..=b'9' => {
                self.at -= 1;
                self.number()?;
            }
            _ => return None,
        }
        Some(false)
    }

    /// Goes into a list or an object, unless it is empty.
    fn open(&mut self, close: u8) -> Option<bool> {
        let start = self.at;
        if self.next()? == close {
            return Some(false);
        }
        self.at = start;
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(close == b'}');
        if close == b'}' {
            self.key()?;
        }
        Some(true)
    }

    /// Behind a value: whether another one follows on its level, which is left otherwise.
    fn goes_on(&mut self) -> Option<bool> {
        let is_object = self.objects & 1 == 1;
        match self.next()? {
            b',' if is_object => self.key()?,
            b',' => {}
            b'}' if is_object => return self.leave(),
            b']' if !is_object => return self.leave(),
            _ => return None,
        }
        Some(true)
    }

    #[expect(clippy::unnecessary_wraps, reason = "its callers return what it returns")]
    fn leave(&mut self) -> Option<bool> {
        self.depth -= 1;
        self.objects >>= 1;
        Some(false)
    }

    fn key(&mut self) -> Option<()> {
        (self.next()? == b'"').then_some(())?;
        self.string()?;
        (self.next()? == b':').then_some(())
    }

    /// Goes behind the closing quote; the opening one is behind us.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at += plain_len(self.json.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// Half an emoji is let through: JavaScript sends it, and it can be passed on.
    fn escape(&mut self) -> Option<()> {
        let rest = self.json.get(self.at + 1..)?;
        self.at += match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => 6,
            _ => return None,
        };
        Some(())
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.json.get(self.at..)?.starts_with(rest).then(|| self.at += rest.len())
    }

    fn number(&mut self) -> Option<()> {
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// One digit at least.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// How many bytes go by before a quote, a backslash or a control character.
fn plain_len(text: &[u8]) -> usize {
    let is_special = |byte: u8| matches!(byte, ..b' ' | b'"' | b'\\');
    // Bytes, and no way out of the middle: so the compiler makes a few vector instructions of it.
    let mark = |byte: &u8| if is_special(*byte) { u8::MAX } else { 0 };
    let is_plain = |block: &&[u8; 32]| block.iter().map(mark).fold(0, u8::max) == 0;
    let (blocks, _) = text.as_chunks::<32>();
    let plain = 32 * blocks.iter().take_while(is_plain).count();
    let rest = text.get(plain..).unwrap_or_default();
    plain + rest.iter().take_while(|&&byte| !is_special(byte)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;
    use crate::socket::packet::trim_json;

    /// A parser and this agree about one whole value.
    fn check(json: &str) {
        let is_json = serde_json::from_str::<IgnoredAny>(json).is_ok();
        let ours = value_len(json.as_bytes()).is_some_and(|len| trim_json(&json[len..]).is_empty());
        assert_eq!(ours, is_json, "{json:?}");
    }

    #[test]
    fn what_json_is_and_is_not() {
        let values = [
            "",
            " ",
            "1",
            "-",
            "-1",
            "01",
            "-0",
            "1.",
            "1.5",
            ".5",
            "1e",
            "1e5",
            "1E+5",
            "1e-5",
            "1e+",
            "0x1",
            "1 2",
            "+1",
            "true",
            "tru",
            "truex",
            "false",
            "null",
            "nul",
            "NaN",
            "True",
            r#""""#,
            r#"""#,
            r#""a"#,
            r#""\""#,
            r#""\"""#,
            r#""\\""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\ud83d""#,
            r#""\/\b\f\n\r\t""#,
            "\"\n\"",
            "\"\u{7f}é😀\"",
            "[]",
            "[ ]",
            "[1]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "]",
            "[1",
            "[[[]]]",
            "[[]",
            "[}",
            "{]",
            "{}",
            "{ }",
            "{1:2}",
            r#"{"a":1}"#,
            r#"{"a":1,}"#,
            r#"{"a" : 1 , "b" : [ {} , "x" ] }"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a",1}"#,
            r#"{"a":{"b":[1,{"c":null}]},"d":-1.5e3}"#,
            r#"[{"a":1]"#,
            r#"{"a":[1}"#,
            "\u{a0}1",
            "1,2",
            "'a'",
        ];
        for json in values {
            check(json);
        }
    }

    #[test]
    fn a_string_ends_where_it_ends_whatever_its_length() {
        for len in 0..100 {
            for special in ["\"", "\\n\"", "\\u00e9\"", "\u{1}\"", "é\"", ""] {
                check(&format!("\"{}{special}", "x".repeat(len)));
                check(&format!("[\"{}{special}, \"{}\"]", "x".repeat(len), "y".repeat(len)));
            }
        }
    }

    #[test]
    fn it_is_deep_but_not_bottomless() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(value_len(nested(128).as_bytes()), Some(256));
        assert_eq!(value_len(format!("[{}]", nested(129)).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn a_parser_agrees(json in r#"[\[\]{}",:\\ tru\-0-9.eEé\n]{0,24}"#) {
            check(&json);
        }
    }
}
