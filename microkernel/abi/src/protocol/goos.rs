//! Goos: frame buffers and views on them.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Answers with the size and format.
        Info = 0,
        /// Index. Answers with a buffer.
        GetStaticBuffer = 1,
        /// Size. Answers with a buffer.
        CreateBuffer = 2,
        /// The result is a view's index.
        CreateView = 3,
        /// Index.
        DeleteBuffer = 4,
        /// Index.
        DeleteView = 5,
        /// Index. Answers with a description.
        ViewInfo = 6,
        /// Index, description.
        SetViewInfo = 7,
        /// View, pivot, behind.
        ViewStack = 8,
        /// View, rectangle.
        ViewRefresh = 9,
        /// Rectangle.
        Refresh = 10,
    }
}
