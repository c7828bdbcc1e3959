#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::r#where::run(data));
