//! The heap grows, gives memory back to itself, and survives many threads.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use l4_rt::println;

pub(crate) fn check() {
    println!("heap");
    many_sizes();
    large_blocks();
    alignments();
}

/// Twice the same work, so that the second time it is done in freed memory.
fn many_sizes() {
    for round in 0..2_u8 {
        let blocks: Vec<Box<[u8]>> = (0..200_usize)
            .map(|index| alloc::vec![index as u8 ^ round; index * 13].into())
            .collect();
        for (index, block) in blocks.iter().enumerate() {
            assert!(block.iter().all(|byte| *byte == index as u8 ^ round));
        }
    }
    let mut text = String::new();
    for number in 0..1000 {
        text += &alloc::format!("{number},");
    }
    assert_eq!(text.len(), 10 * 2 + 90 * 3 + 900 * 4);
}

fn large_blocks() {
    let mut block = alloc::vec![0_u64; 32 * 1024];
    assert!(block.iter().all(|word| *word == 0));
    for (index, word) in block.iter_mut().enumerate() {
        *word = index as u64;
    }
    assert_eq!(block.iter().sum::<u64>(), 32 * 1024 * (32 * 1024 - 1) / 2);
    // More than there can be: an error, not a crash.
    assert!(Vec::<u8>::new().try_reserve_exact(1 << 45).is_err());
}

#[repr(align(4096))]
struct Page([u8; 4096]);

fn alignments() {
    let pages: Vec<Box<Page>> = (0..8).map(|value| Box::new(Page([value; 4096]))).collect();
    for (value, page) in pages.iter().enumerate() {
        assert_eq!(core::ptr::from_ref(&**page) as usize % 4096, 0);
        assert!(page.0.iter().all(|byte| usize::from(*byte) == value));
    }
}
