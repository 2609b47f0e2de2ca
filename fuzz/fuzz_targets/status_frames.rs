//! Anything as the status of a car.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leapmotor2mqtt_fuzz::any_status(data));
