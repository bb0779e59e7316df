//! Words that have been renamed. Scripts, settings and commands that hold the old ones keep
//! working.

/// Old words, each with today's.
const RENAMED: [(&str, &str); 6] = [
    ("policy.hold_lifetime", "policy.reservation_lifetime"),
    ("policy.hold_reserve", "policy.reservation_margin"),
    ("SUSPECT_HOLD", "SUSPECT_RESERVATION"),
    ("HOLD_TOO_LARGE", "RESERVATION_TOO_LARGE"),
    ("POISON", "PARKED"),
    ("REDRIVEN", "STUCK_RETRIED"),
];

/// Returns today's word for an old one, and any other as it is.
pub fn today(word: &str) -> &str {
    RENAMED
        .iter()
        .find(|(old, _)| *old == word)
        .map_or(word, |(_, new)| new)
}

/// Returns the old word that today's stands for, if it was another.
pub fn formerly(word: &str) -> Option<&'static str> {
    RENAMED
        .iter()
        .find(|(_, new)| *new == word)
        .map(|(old, _)| *old)
}

#[cfg(test)]
mod tests {
    use order_core::order::AttentionReason;

    use super::*;

    #[test]
    fn old_words_mean_todays_and_others_themselves() {
        assert_eq!(today("POISON"), "PARKED");
        assert_eq!(today("DISPUTE"), "DISPUTE");
        assert_eq!(formerly("PARKED"), Some("POISON"));
        assert_eq!(formerly("DISPUTE"), None);
        for old in ["SUSPECT_HOLD", "HOLD_TOO_LARGE", "POISON"] {
            assert!(old.parse::<AttentionReason>().is_err(), "{old} is in use");
            assert!(today(old).parse::<AttentionReason>().is_ok(), "{old}");
        }
    }
}
