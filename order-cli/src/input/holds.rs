//! Holds that an order is placed with: `KIND[:BLOCKS][:DURATION]`.

use order_core::order::{Blocks, HoldEnd};
use order_core::request::HoldInput;

use super::duration;

/// Reads a hold, such as `fraud-review`, `fraud-review:ship` or `fraud-review:confirm:2d`.
pub fn parse(text: &str) -> Result<HoldInput, String> {
    let mut parts = text.split(':');
    let mut hold = HoldInput {
        kind: parts.next().unwrap_or_default().to_owned(),
        ..HoldInput::default()
    };
    let wrong = || {
        format!(
            "{text:?} is not a hold: expected KIND[:BLOCKS][:DURATION], such as fraud-review:ship:2d"
        )
    };
    if hold.kind.is_empty() {
        return Err(wrong());
    }
    let mut rest: Vec<&str> = parts.collect();
    if let Some(blocks) = rest.first().and_then(|first| first.parse::<Blocks>().ok()) {
        hold.blocks = blocks.to_string();
        rest.remove(0);
    }
    match rest[..] {
        [] => Ok(hold),
        [lasts] => {
            hold.until = Some(HoldEnd::After(duration::parse(lasts).map_err(|_| wrong())?));
            Ok(hold)
        }
        _ => Err(wrong()),
    }
}

/// Reads an entry of metadata: `KEY=VALUE`.
pub fn entry(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_hold_has_a_kind_and_perhaps_a_step_and_an_end() {
        let days = |n: u64| Some(HoldEnd::After(Duration::from_secs(n * 86_400)));
        for (text, kind, blocks, until) in [
            ("fraud", "fraud", "", None),
            ("fraud:ship", "fraud", "ship", None),
            ("fraud:2d", "fraud", "", days(2)),
            ("fraud:capture:2d", "fraud", "capture", days(2)),
        ] {
            assert_eq!(
                parse(text).unwrap(),
                HoldInput {
                    kind: kind.into(),
                    blocks: blocks.into(),
                    until
                },
                "{text}"
            );
        }
        for wrong in [
            "",
            ":ship",
            "fraud:later",
            "fraud:2d:ship",
            "fraud:ship:2d:x",
            "fraud:ship:",
        ] {
            assert!(
                parse(wrong).unwrap_err().contains("is not a hold"),
                "{wrong}"
            );
        }
    }
}
