//! Who called whom, by following frame pointers.

use crate::{arch, thread};

/// Most callers that are shown.
const MAX_FRAMES: usize = 32;

/// Tells the return addresses of the calling functions, innermost first.
///
/// Stops at anything that is not a frame of this thread's stack above the last one.
pub(crate) fn walk(mut tell: impl FnMut(usize)) {
    let mut frame = arch::frame_pointer();
    let top = thread::stack_top();
    let mut lowest = core::ptr::from_ref(&frame) as usize;
    for _ in 0..MAX_FRAMES {
        // A frame is two words: the caller's frame pointer and the return address.
        let is_frame = frame.is_multiple_of(align_of::<usize>())
            && frame >= lowest
            && frame <= top.saturating_sub(2 * size_of::<usize>());
        if !is_frame {
            return;
        }
        // SAFETY: the two words lie between this function's own frame and the top of the stack,
        // which is all mapped.
        let [next, return_address] = unsafe { *(frame as *const [usize; 2]) };
        if return_address == 0 {
            return;
        }
        tell(return_address);
        lowest = frame + 2 * size_of::<usize>();
        frame = next;
    }
}
