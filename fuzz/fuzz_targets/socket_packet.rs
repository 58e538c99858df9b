//! Sequences of texts and attachments into the assembler.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::{
    Limits,
    socket::{Assembler, ConnectError, ConnectTarget},
};

fuzz_target!(|messages: Vec<Result<&str, &[u8]>>| {
    let mut assembler = Assembler::default();
    for message in messages {
        match message {
            Ok(text) => {
                if let Ok(Some(packet)) = assembler.text(text, &Limits::default()) {
                    let _checked = packet.validate();
                    ConnectTarget::parse(packet.namespace).auth_json();
                    let _error = ConnectError::parse(packet.payload);
                }
            }
            Err(bytes) => {
                if let Ok(Some(assembled)) = assembler.binary(bytes.to_vec()) {
                    let _checked = assembled.event().map(|event| event.arguments.validate());
                    let _checked = assembled.ack().map(|arguments| arguments.validate());
                }
            }
        }
    }
});
