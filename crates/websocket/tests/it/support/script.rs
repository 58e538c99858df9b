//! Random traffic of one peer, and the bytes it makes.

use http::{HeaderMap, header::SEC_WEBSOCKET_EXTENSIONS};
use proptest::prelude::*;
use sockeye_websocket::deflate::{self, Deflate};
use sockeye_websocket::{
    CloseFrame, Decoder, Header, Input, Limits, Message, Opcode, Role, close_frame, frame, masked_close_frame,
    masked_frame,
};

/// One step of a peer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A message in frames cut at these places, with a ping after each frame but the last.
    Fragmented { message: Message<'static>, cuts: Vec<usize>, ping_between: bool },
    /// A message in one frame, or a control frame.
    Whole(Message<'static>),
}

pub(crate) fn message() -> impl Strategy<Value = Message<'static>> {
    prop_oneof![
        any::<String>().prop_map(|text| Message::Text(text.into())),
        ("[a-zä€𐍈]{1,8}", 0..3_000_usize).prop_map(|(text, times)| Message::Text(text.repeat(times).into())),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Message::Binary(bytes.into())),
        (any::<u8>(), 0..70_000_usize).prop_map(|(byte, len)| Message::Binary(vec![byte; len].into())),
    ]
}

fn control() -> impl Strategy<Value = Message<'static>> {
    let payload = || proptest::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        payload().prop_map(|payload| Message::Ping(payload.into())),
        payload().prop_map(|payload| Message::Pong(payload.into())),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let cuts = proptest::collection::vec(any::<prop::sample::Index>(), 0..5);
    let fragmented = (message(), cuts, any::<bool>()).prop_map(|(message, cuts, ping_between)| {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(message.payload().len() + 1)).collect();
        cuts.sort_unstable();
        Step::Fragmented { message, cuts, ping_between }
    });
    proptest::collection::vec(
        prop_oneof![fragmented, message().prop_map(Step::Whole), control().prop_map(Step::Whole)],
        0..6,
    )
}

pub(crate) fn close() -> impl Strategy<Value = Option<CloseFrame>> {
    // Not 1014, which is registered and which tungstenite refuses.
    let code = prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16];
    proptest::option::of((code, "[a-zä]{0,40}").prop_map(|(code, reason)| CloseFrame { code, reason }))
}

impl Step {
    /// What the peer's peer has to receive.
    pub(crate) fn messages(&self) -> Vec<Message<'static>> {
        match self {
            Self::Whole(message) => vec![message.clone()],
            Self::Fragmented { message, cuts, ping_between } => {
                let pings = if *ping_between { cuts.len() } else { 0 };
                let mut messages = vec![Message::Ping(b"between"[..].into()); pings];
                messages.push(message.clone());
                messages
            }
        }
    }

    /// The frames, in order: opcode, whether it is final, payload.
    pub(crate) fn frames(&self) -> Vec<(Opcode, bool, Vec<u8>)> {
        let (message, cuts, ping_between) = match self {
            Self::Whole(message) => return vec![(message.opcode(), true, message.payload().to_vec())],
            Self::Fragmented { message, cuts, ping_between } => (message, cuts, ping_between),
        };
        let payload = message.payload();
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([payload.len()]);
        let mut frames = Vec::new();
        for (number, (start, end)) in starts.zip(ends).enumerate() {
            let opcode = if number == 0 { message.opcode() } else { Opcode::Continuation };
            let is_final = number == cuts.len();
            frames.push((opcode, is_final, payload[start..end].to_vec()));
            if *ping_between && !is_final {
                frames.push((Opcode::Ping, true, b"between".to_vec()));
            }
        }
        frames
    }

    pub(crate) fn encode(&self, role: Role, agreed: Option<Deflate>) -> Vec<u8> {
        let key = [0x12, 0x34, 0x56, 0x78];
        if let (Self::Whole(message), Some(deflate)) = (self, agreed) {
            return match role {
                Role::Server => deflate.frame(message.opcode(), message.payload()).to_vec(),
                Role::Client => deflate.masked_frame(message.opcode(), message.payload(), key).to_vec(),
            };
        }
        let mut wire = Vec::new();
        for (opcode, is_final, payload) in self.frames() {
            let (mask, whole) = match role {
                Role::Server => (None, frame(opcode, &payload)),
                Role::Client => (Some(key), masked_frame(opcode, &payload, key)),
            };
            wire.extend_from_slice(&Header { is_final, mask, ..Header::new(opcode, payload.len()) }.encode());
            wire.extend_from_slice(&whole[whole.len() - payload.len()..]);
        }
        wire
    }
}

pub(crate) fn encode_close(close: Option<&CloseFrame>, role: Role) -> Vec<u8> {
    let key = [9, 8, 7, 6];
    let frame = match (role, close) {
        (Role::Server, Some(close)) => close_frame(close.code, &close.reason),
        (Role::Client, Some(close)) => masked_close_frame(close.code, &close.reason, key),
        (Role::Server, None) => frame(Opcode::Close, b""),
        (Role::Client, None) => masked_frame(Opcode::Close, b"", key),
    };
    frame.to_vec()
}

/// Decodes `wire` as `role` receives it, in reads of the given sizes over and over.
pub(crate) fn decode(wire: &[u8], role: Role, agreed: Option<Deflate>, read_sizes: &[usize]) -> Vec<Message<'static>> {
    let mut decoder = Decoder::new(role, Limits::default()).with_deflate(agreed);
    let mut messages = Vec::new();
    let mut rest = wire;
    for size in read_sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (read, later) = rest.split_at((*size).clamp(1, rest.len()));
        rest = later;
        let mut read = read.to_vec();
        let mut input = Input::new(&mut read);
        while let Some(message) = decoder.decode(&mut input).expect("scripts keep the protocol") {
            messages.push(message.into_owned());
        }
    }
    assert!(decoder.is_idle());
    messages
}

pub(crate) fn agreed(config: deflate::Config) -> Option<Deflate> {
    let request = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, deflate::offer())]);
    deflate::negotiate(&request, config)
}
