//! Enums whose values are texts elsewhere.

/// Declares enums whose values have one spelling everywhere: on the wire, in the database, in JSON.
macro_rules! text_enum {
    (
        $(#[$doc:meta])* $name:ident, $what:literal {
            $($(#[$vdoc:meta])* $variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// Returns the spelling used on the wire, in the database and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::ids::ParseIdError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                const ALL: &str = concat!("expected one of", $(" ", $text, ","),*);
                match s {
                    $($text => Ok($name::$variant),)*
                    _ => {
                        let all = ALL.split_at(ALL.len() - 1).0;
                        Err($crate::ids::ParseIdError::new($what, s, all))
                    }
                }
            }
        }
    };
}
pub(crate) use text_enum;
