//! What a decoder holds, by a counting allocator; a binary of its own with one test, for the count is the process's.

use std::alloc::System;

use sockeye_websocket::{Decoder, Input, Limits, Opcode, Role, deflate, frame};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Heap bytes held since `region` began.
fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated - change.bytes_deallocated
}

/// Feeds `read`, drops its messages, and tells how many there were.
fn feed(decoder: &mut Decoder, read: &mut [u8]) -> usize {
    let mut input = Input::new(read);
    let mut messages = 0;
    while decoder.decode(&mut input).expect("valid frames").is_some() {
        messages += 1;
    }
    messages
}

#[test]
fn a_decoder_holds_only_what_is_unfinished() {
    let mut small = frame(Opcode::Text, b"small").to_vec();
    let mut large = frame(Opcode::Binary, &vec![7; 500_000]).to_vec();
    let mut deflated = {
        let request = [(http::header::SEC_WEBSOCKET_EXTENSIONS, deflate::offer())].into_iter().collect();
        let agreed = deflate::negotiate(&request, deflate::Config::default()).unwrap();
        (agreed, agreed.frame(Opcode::Binary, &vec![7; 500_000]).to_vec())
    };
    let mut decoder = Decoder::new(Role::Client, Limits::default()).with_deflate(Some(deflated.0));
    let region = Region::new(ALLOCATOR);

    // A message that is read whole costs no allocation.
    assert_eq!(feed(&mut decoder, &mut small), 1);
    assert_eq!(region.change().allocations, 0);

    // The header of a large frame costs a note of it, not its buffer.
    let (head, tail) = large.split_at_mut(10);
    assert_eq!(feed(&mut decoder, head), 0);
    assert!(held(&region) < 512, "{} bytes for a header", held(&region));

    // Half a message costs about what has arrived of it.
    let (early, late) = tail.split_at_mut(1_000);
    assert_eq!(feed(&mut decoder, early), 0);
    assert!(held(&region) < 3_000, "{} bytes for 1,000 that arrived", held(&region));

    // And all of it is given back with the message.
    assert_eq!(feed(&mut decoder, late), 1);
    assert_eq!(held(&region), 0);

    // The thread keeps one inflater, the connection nothing: the second message adds nothing to the first.
    assert_eq!(feed(&mut decoder, &mut deflated.1.clone()), 1);
    let inflater = held(&region);
    assert!(inflater < 64_000, "{inflater} bytes for an inflater");
    assert_eq!(feed(&mut decoder, &mut deflated.1), 1);
    assert_eq!(held(&region), inflater);
}
