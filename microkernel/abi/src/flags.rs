//! Sets of flags that are bits of a word.

use core::fmt;

/// Declares a set of flags, with a constant for each flag. Bits without a name are kept as they are where it
/// says "retain", and are in no set that is made in another way.
macro_rules! flags {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident: $word:ty {
            $($(#[$flag_attribute:meta])* const $flag:ident = $bits:expr;)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name($word);

        #[allow(dead_code, reason = "all sets have the same operations")]
        impl $name {
            $($(#[$flag_attribute])* pub const $flag: Self = Self($bits);)*

            /// No flag.
            pub const fn empty() -> Self {
                Self(0)
            }

            /// All flags that have a name.
            pub const fn all() -> Self {
                Self(0 $(| Self::$flag.0)*)
            }

            /// The bits as they are.
            pub const fn from_bits_retain(bits: $word) -> Self {
                Self(bits)
            }

            /// The flags among the bits.
            pub const fn from_bits_truncate(bits: $word) -> Self {
                Self(bits & Self::all().0)
            }

            /// The flags, if there are no other bits.
            pub const fn from_bits(bits: $word) -> Option<Self> {
                if bits & !Self::all().0 == 0 { Some(Self(bits)) } else { None }
            }

            /// The word.
            pub const fn bits(self) -> $word {
                self.0
            }

            /// Whether none is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether all of `other` are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Adds the flags, or takes them away.
            pub fn set(&mut self, flags: Self, set: bool) {
                self.0 = if set { self.0 | flags.0 } else { self.0 & !flags.0 };
            }

            /// The flags of both.
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The flags that `other` has too.
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// The flags that `other` does not have.
            pub const fn difference(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl core::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                *self = *self | other;
            }
        }

        impl core::ops::BitAnd for $name {
            type Output = Self;

            fn bitand(self, other: Self) -> Self {
                self.intersection(other)
            }
        }

        impl core::ops::Sub for $name {
            type Output = Self;

            fn sub(self, other: Self) -> Self {
                self.difference(other)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let names = [$((stringify!($flag), u64::from($name::$flag.0))),*];
                $crate::flags::write(formatter, stringify!($name), self.0.into(), &names)
            }
        }
    };
}
pub(crate) use flags;

/// Writes `Name(FIRST | SECOND | 0x100)`, the last for bits without a name.
pub(crate) fn write(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    mut bits: u64,
    flags: &[(&str, u64)],
) -> fmt::Result {
    write!(formatter, "{name}(")?;
    let mut separator = "";
    for (flag, mask) in flags {
        if *mask != 0 && bits & mask == *mask {
            write!(formatter, "{separator}{flag}")?;
            (separator, bits) = (" | ", bits & !mask);
        }
    }
    if bits != 0 || separator.is_empty() {
        write!(formatter, "{separator}{bits:#x}")?;
    }
    formatter.write_str(")")
}
