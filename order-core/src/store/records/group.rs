//! Group commits: who fails when a transaction that several changesets share does.
//!
//! What fails alone is its own fault; what cannot even begin or commit is nobody's, and need not be
//! tried again for each.

use crate::store::{StoreError, StoreErrorKind};

/// The step of a transaction that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Getting at the database, and beginning.
    Begin,
    /// Applying one of the changesets.
    Apply,
    /// Making the transaction durable.
    Commit,
}

/// The verdict on a group whose transaction failed, and was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupVerdict {
    /// All of it is refused with the error.
    RefuseAll,
    /// Each is tried again in a transaction of its own.
    TryEach,
}

/// Judges a group of `size` changesets.
pub fn judge(size: usize, step: Step, kind: StoreErrorKind) -> GroupVerdict {
    // With an unknown outcome each may have happened: whoever asked sends it again.
    if size <= 1 || step == Step::Begin || kind == StoreErrorKind::Unknown {
        GroupVerdict::RefuseAll
    } else {
        GroupVerdict::TryEach
    }
}

/// Judges by one of a group, tried by itself, those that were not tried yet: the kind of error
/// with which they are refused, or none if they are to be tried.
pub fn judge_rest(step: Step, kind: StoreErrorKind) -> Option<StoreErrorKind> {
    match (step, kind) {
        (Step::Apply, _) => None,
        // Of the others nothing was even tried.
        (Step::Begin | Step::Commit, StoreErrorKind::Unknown) => Some(StoreErrorKind::Unavailable),
        (Step::Begin | Step::Commit, kind) => Some(kind),
    }
}

/// Returns the same error for another of a group; the causes go as one text.
pub fn error_again(error: &StoreError) -> StoreError {
    let StoreError {
        kind,
        message,
        source,
    } = error;
    match source {
        None => StoreError::new(*kind, message.clone()),
        Some(source) => StoreError::caused(*kind, message.clone(), Cause(source.to_string())),
    }
}

/// Returns the error with all its causes, for operators.
pub fn with_causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The text of an error that cannot be copied.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_one_changesets_fault_is_tried_again() {
        for kind in [
            StoreErrorKind::Unavailable,
            StoreErrorKind::Full,
            StoreErrorKind::Corrupt,
        ] {
            assert_eq!(judge(2, Step::Apply, kind), GroupVerdict::TryEach);
            assert_eq!(judge(2, Step::Commit, kind), GroupVerdict::TryEach);
            assert_eq!(judge(2, Step::Begin, kind), GroupVerdict::RefuseAll);
            assert_eq!(judge(1, Step::Apply, kind), GroupVerdict::RefuseAll);
            assert_eq!(judge_rest(Step::Apply, kind), None);
            assert_eq!(judge_rest(Step::Commit, kind), Some(kind));
        }
        assert_eq!(
            judge(9, Step::Commit, StoreErrorKind::Unknown),
            GroupVerdict::RefuseAll
        );
        assert_eq!(
            judge_rest(Step::Commit, StoreErrorKind::Unknown),
            Some(StoreErrorKind::Unavailable)
        );
    }

    #[test]
    fn an_error_is_given_to_each_of_a_group_with_its_cause() {
        let error = StoreError::caused(
            StoreErrorKind::Full,
            "the disk is full",
            std::io::Error::other("no blocks left"),
        );
        let again = error_again(&error);
        assert_eq!(again.kind, StoreErrorKind::Full);
        assert_eq!(with_causes(&again), with_causes(&error));
        assert!(with_causes(&again).ends_with("the disk is full: no blocks left"));
        let plain = error_again(&StoreError::new(StoreErrorKind::Unknown, "gone"));
        assert_eq!(plain.kind, StoreErrorKind::Unknown);
        assert!(plain.source.is_none());
    }
}
