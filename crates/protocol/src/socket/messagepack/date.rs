/// The farthest that a date of JavaScript may be from 1970, in milliseconds.
const MAX_DATE: i128 = 8_640_000_000_000_000;
const DAY: i128 = 86_400_000;

/// A date as JavaScript's `JSON.stringify` writes it, without quotes. `None` for dates that JavaScript has not.
pub(super) fn iso_text(milliseconds: i128) -> Option<String> {
    if milliseconds.abs() > MAX_DATE {
        return None;
    }
    let (year, month, day) = civil(milliseconds.div_euclid(DAY));
    let time = milliseconds.rem_euclid(DAY);
    let (hours, minutes, seconds) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!("{year}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", time % 1000))
}

/// Year, month and day of a day counted from 1970, in the Gregorian calendar extended both ways.
///
/// Counted in eras of 400 years that begin in March: a leap day is then the last of its year.
fn civil(days_since_1970: i128) -> (i128, i128, i128) {
    const DAYS_FROM_YEAR_0: i128 = 719_468;
    const DAYS_OF_ERA: i128 = 146_097;
    let days = days_since_1970 + DAYS_FROM_YEAR_0;
    let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / (DAYS_OF_ERA - 1);
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    (era * 400 + year_of_era + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(milliseconds: i128, text: &str) {
        assert_eq!(iso_text(milliseconds).as_deref(), Some(text));
    }

    #[test]
    fn a_date_is_written_as_javascript_does() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(1_000_000_000_000, "2001-09-09T01:46:40.000Z");
        check(1_709_251_199_999, "2024-02-29T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn years_beyond_four_digits_have_a_sign_and_six() {
        check(253_402_300_799_999, "9999-12-31T23:59:59.999Z");
        check(253_402_300_800_000, "+010000-01-01T00:00:00.000Z");
        check(-62_167_219_200_000, "0000-01-01T00:00:00.000Z");
        check(-62_198_755_200_000, "-000001-01-01T00:00:00.000Z");
        check(MAX_DATE, "+275760-09-13T00:00:00.000Z");
        check(-MAX_DATE, "-271821-04-20T00:00:00.000Z");
    }

    #[test]
    fn there_is_no_date_farther_than_javascript_goes() {
        for milliseconds in [MAX_DATE + 1, -MAX_DATE - 1, i64::MIN.into(), i64::MAX.into()] {
            assert_eq!(iso_text(milliseconds), None);
        }
    }
}
