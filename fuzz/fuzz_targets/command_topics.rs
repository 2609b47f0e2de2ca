//! Anything on any command topic.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leapmotor2mqtt_fuzz::any_message(data));
