//! Cases with a name.

use super::*;
