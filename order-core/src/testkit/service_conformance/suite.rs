//! One list of cases becomes a macro of tests, functions, and a table.

use super::Verdict;

/// A case of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The number of the clause that it tests.
    pub clause: u8,
    /// Its name, a sentence.
    pub name: &'static str,
    /// The claims of the service and the abilities of the sandbox that it needs.
    pub needs: &'static [&'static str],
}

/// Fails the running test unless the verdict is good.
#[doc(hidden)]
#[track_caller]
pub fn judge(verdict: Verdict) {
    if let Err(failure) = verdict {
        panic!("{failure}");
    }
}

/// Fails the running test unless what is left out can neither be claimed nor provoked.
#[doc(hidden)]
#[track_caller]
pub fn left_out(needs: &[&str], named: &str, offered: Option<bool>) {
    match offered {
        Some(false) => {}
        Some(true) => panic!("{named} is left out, and it is there: test it"),
        None => panic!(
            "{named} cannot be left out: expected some of {}",
            needs.join(", ")
        ),
    }
}

/// Fails unless each of a suite's `clauses` has a case, every case is named by its clause, and its
/// needs are just those known.
#[cfg(test)]
pub(super) fn check(cases: &[Case], known: &[&str], clauses: u8) {
    for clause in 1..=clauses {
        assert!(
            cases.iter().any(|case| case.clause == clause),
            "clause {clause} has no case"
        );
    }
    for case in cases {
        assert!(
            case.name.starts_with(&format!("c{:02}_", case.clause)),
            "{} stands under clause {}",
            case.name,
            case.clause
        );
        assert!(
            case.needs.iter().all(|need| known.contains(need)),
            "{} needs something unknown",
            case.name
        );
    }
    for need in known {
        assert!(
            cases.iter().any(|case| case.needs.contains(need)),
            "nothing needs {need}"
        );
    }
}

/// Makes of one list of cases: the macro that tests a service, a function for each case, and a
/// table of them.
///
/// A case that is missing here is dead code; one that is here twice does not compile.
macro_rules! suite {
    (
        $d:tt $tests:ident $path:ident $factory:ident, needs [$($known:ident)*]
        $($clause:literal $module:ident { $($case:ident [$($need:ident)*],)* })*
    ) => {
        /// Tests a service client against every clause of its contract: one `#[test]` for each
        /// case.
        ///
        /// Takes an expression that makes a factory, which is evaluated anew in every test; and, if
        /// something can be neither claimed nor provoked, its names: `without [pass]`. See
        /// [`testkit::service_conformance`].
        ///
        /// [`testkit::service_conformance`]: crate::testkit::service_conformance
        #[macro_export]
        macro_rules! $tests {
            ($d factory:expr $d(,)?) => {
                $d crate::$tests!($d factory, without []);
            };
            ($d factory:expr, without $d left_out:tt $d(,)?) => {
                #[test]
                fn c00_what_is_left_out_is_not_there() {
                    $d crate::__each_left_out!($path, $d factory, $d left_out);
                }
                $($(
                    $d crate::__service_case!($d left_out [$($need)*] $case {
                        let factory = $d factory;
                        let case = $d crate::testkit::service_conformance::$path::cases::$case(&factory);
                        let verdict = $d crate::testkit::service_conformance::Sandbox::run(&factory, case);
                        $d crate::testkit::service_conformance::judge(verdict);
                    });
                )*)*
            };
        }

        /// The cases, as functions.
        #[doc(hidden)]
        #[allow(missing_docs, reason = "the names are sentences")]
        pub mod cases {
            use super::{$factory, super::Verdict};
            $($(
                pub async fn $case<F: $factory>(factory: &F) -> Verdict {
                    super::$module::$case(factory).await
                }
            )*)*
        }

        /// A need of a case: a claim of the service, or something that the sandbox provokes.
        pub const NEEDS: &[&str] = &[$(stringify!($known)),*];

        /// Every case with the number of the clause it tests, and with what it needs.
        pub const CASES: &[super::Case] = &[$($(
            super::Case { clause: $clause, name: stringify!($case), needs: &[$(stringify!($need)),*] },
        )*)*];

        /// Runs every case, each with a factory of its own.
        pub fn examine<F: $factory>(make: impl Fn() -> F) -> Vec<(super::Case, super::Verdict)> {
            let mut verdicts = Vec::new();
            let mut cases = CASES.iter();
            $($(
                if let Some(case) = cases.next() {
                    let factory = make();
                    verdicts.push((*case, factory.run(cases::$case(&factory))));
                }
            )*)*
            verdicts
        }

        /// Reports whether something that is left out could be tested after all; `None` for what
        /// cannot be left out.
        #[doc(hidden)]
        pub fn offered_at_once<F: $factory>(factory: &F, need: &str) -> Option<bool> {
            NEEDS.contains(&need).then(|| factory.run(offered(factory, need)))
        }
    };
}
pub(super) use suite;

/// Asks for each thing that is left out whether it could be tested after all.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_left_out {
    ($path:ident, $factory:expr, [$($left_out:ident),* $(,)?]) => {
        $({
            use $crate::testkit::service_conformance::{left_out, $path as suite};
            let named = stringify!($left_out);
            left_out(suite::NEEDS, named, suite::offered_at_once(&$factory, named));
        })*
    };
}

/// A test, ignored if one of its needs is left out.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_case {
    ([$($left_out:ident),* $(,)?] $needs:tt $case:ident $body:block) => {
        $crate::__service_case!(@next [$($left_out)*] $needs $case $body);
    };
    (@next $left_out:tt [] $case:ident $body:block) => {
        #[test]
        fn $case() $body
    };
    (@next $left_out:tt [$need:ident $($needs:ident)*] $case:ident $body:block) => {
        $crate::__service_case!(@find $need $left_out $left_out [$($needs)*] $case $body);
    };
    (@find $need:ident [] $left_out:tt $needs:tt $case:ident $body:block) => {
        $crate::__service_case!(@next $left_out $needs $case $body);
    };
    (@find repeat [repeat $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `repeat`, repeating under a key"]
        fn $case() $body
    };
    (@find look_up [look_up $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `look_up`, looking up by a key"]
        fn $case() $body
    };
    (@find partial [partial $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `partial`, parts of a hold"]
        fn $case() $body
    };
    (@find release_committed [release_committed $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `release_committed`, taking committed units back"]
        fn $case() $body
    };
    (@find lapse [lapse $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `lapse`, holds that lapse"]
        fn $case() $body
    };
    (@find authorize [authorize $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `authorize`, authorizations"]
        fn $case() $body
    };
    (@find capture_window [capture_window $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `capture_window`, an end of the time to capture"]
        fn $case() $body
    };
    (@find decline [decline $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `decline`, means that are declined"]
        fn $case() $body
    };
    (@find pending [pending $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `pending`, means that are decided later"]
        fn $case() $body
    };
    (@find action_required [action_required $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `action_required`, means for which the customer must act"]
        fn $case() $body
    };
    (@find lose_next_answer [lose_next_answer $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `lose_next_answer`, a lost answer"]
        fn $case() $body
    };
    (@find refuse_next_connection [refuse_next_connection $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `refuse_next_connection`, a service that cannot be reached"]
        fn $case() $body
    };
    (@find answer_next [answer_next $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `answer_next`, HTTP statuses of failure"]
        fn $case() $body
    };
    (@find pass [pass $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `pass`, time that passes"]
        fn $case() $body
    };
    (@find books [books $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        #[test]
        #[ignore = "not tested: left out is `books`, the service's own books"]
        fn $case() $body
    };
    (@find $need:ident [$other:ident $($rest:ident)*] $left_out:tt $needs:tt $case:ident $body:block) => {
        $crate::__service_case!(@find $need [$($rest)*] $left_out $needs $case $body);
    };
}
