//! aarch64: there is no VMX.

l4_test::suite![];
