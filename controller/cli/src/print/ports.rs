//! Open ports on one line: `80,443/tcp 8080-8082/tcp` (CLI contract §6).

use std::collections::BTreeMap;

/// Folds ports such as `8080/tcp`, `100-200/udp`, `icmp`: neighbours of one protocol become a
/// range, single ports are joined by commas, ranges stand alone.
#[must_use]
pub fn folded(ports: &[String]) -> String {
    let mut by_protocol: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
    let mut others = Vec::new();
    for port in ports {
        match port.split_once('/').and_then(|(span, protocol)| Some((range(span)?, protocol))) {
            Some((range, protocol)) => by_protocol.entry(protocol).or_default().push(range),
            None => others.push(port.clone()),
        }
    }
    let mut words = Vec::new();
    for (protocol, mut ranges) in by_protocol {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (from, to) in ranges {
            match merged.last_mut() {
                Some((_, last)) if from <= *last + 1 => *last = to.max(*last),
                _ => merged.push((from, to)),
            }
        }
        let mut singles = Vec::new();
        for (from, to) in merged {
            if from == to {
                singles.push(from.to_string());
                continue;
            }
            if !singles.is_empty() {
                words.push(format!("{}/{protocol}", singles.join(",")));
                singles.clear();
            }
            words.push(format!("{from}-{to}/{protocol}"));
        }
        if !singles.is_empty() {
            words.push(format!("{}/{protocol}", singles.join(",")));
        }
    }
    others.sort();
    words.extend(others);
    words.join(" ")
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.parse().ok()?, to.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn ports_fold_as_the_contract_has_them() {
        for (ports, expected) in [
            (&["80/tcp", "443/tcp"][..], "80,443/tcp"),
            (&["8082/tcp", "8080/tcp", "8081/tcp"], "8080-8082/tcp"),
            (
                &["80/tcp", "8080-8090/tcp", "9000/tcp", "53/udp"],
                "80/tcp 8080-8090/tcp 9000/tcp 53/udp",
            ),
            (&["icmp", "80/tcp"], "80/tcp icmp"),
            (&[], ""),
        ] {
            let ports: Vec<String> = ports.iter().map(|port| (*port).to_owned()).collect();
            assert_eq!(folded(&ports), expected);
        }
    }
}
