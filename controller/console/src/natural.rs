//! The order in which people count: `x/2` before `x/10` (CLI contract §6).

use std::cmp::Ordering;

/// Compares runs of digits as numbers and everything else by character.
///
/// Numbers that are equal but differently written (`01` and `1`) are ordered by length, so that the
/// order is total and only equal texts are equal.
#[must_use]
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left, right);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else {
            return a.len().cmp(&b.len()).then_with(|| left.cmp(right));
        };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number_a, rest_a) = digits(a);
            let (number_b, rest_b) = digits(b);
            let (plain_a, plain_b) =
                (number_a.trim_start_matches('0'), number_b.trim_start_matches('0'));
            let order = plain_a.len().cmp(&plain_b.len()).then_with(|| plain_a.cmp(plain_b));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (rest_a, rest_b);
        } else if x == y {
            (a, b) = (a.split_at(x.len_utf8()).1, b.split_at(y.len_utf8()).1);
        } else {
            return x.cmp(&y);
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn units_and_machines_count_as_people_do() {
        let mut names =
            vec!["x/10", "x/2", "0/lxd/10", "x/1", "10", "9", "0/lxd/9", "x", "x/01", "y/0"];
        names.sort_by(|a, b| compare(a, b));
        assert_eq!(
            names,
            ["0/lxd/9", "0/lxd/10", "9", "10", "x", "x/01", "x/1", "x/2", "x/10", "y/0"]
        );
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_total(a in "[a0-9/]{0,6}", b in "[a0-9/]{0,6}", c in "[a0-9/]{0,6}") {
            proptest::prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            proptest::prop_assert_eq!(compare(&a, &b).is_eq(), a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                proptest::prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
