/// A number as JavaScript's `JSON.stringify` writes it: `null` if it is none.
pub(in crate::socket) fn number_text(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&number.abs()) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    // JavaScript gives the exponent a sign, whichever it has.
    if number.abs() < 1.0 { text } else { text.replace('e', "e+") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: f64, text: &str) {
        assert_eq!(number_text(number), text);
        if text != "null" {
            assert_eq!(text.parse::<f64>().unwrap().to_string(), (number + 0.0).to_string());
        }
    }

    #[test]
    fn a_number_is_written_as_javascript_does() {
        check(3.0, "3");
        check(-1.5, "-1.5");
        check(-0.0, "0");
        check(0.1 + 0.2, "0.30000000000000004");
        check(f64::from(0.1_f32), "0.10000000149011612");
        check(1e-6, "0.000001");
        check(1e-7, "1e-7");
        check(-1.25e-9, "-1.25e-9");
        check(5e-324, "5e-324");
        check(123_456_789_012_345_680_000.0, "123456789012345680000");
        check(1e21, "1e+21");
        check(f64::MAX, "1.7976931348623157e+308");
    }

    #[test]
    fn what_is_no_number_is_null() {
        check(f64::NAN, "null");
        check(f64::INFINITY, "null");
        check(f64::NEG_INFINITY, "null");
    }
}
