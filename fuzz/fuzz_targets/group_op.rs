#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| starling_fuzz::entries::call("group_op", bytes));
