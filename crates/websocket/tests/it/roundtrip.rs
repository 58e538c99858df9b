use proptest::prelude::*;
use sockeye_websocket::{Message, Role, deflate};

use crate::support::{fuzzed, script};

const ROLES: [(Role, Role); 2] = [(Role::Client, Role::Server), (Role::Server, Role::Client)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_encoded_is_decoded_however_it_is_read(
        steps in script::steps(), close in script::close(), read_sizes in proptest::collection::vec(1..5_000_usize, 1..5), compressed in any::<bool>(),
    ) {
        let agreed = script::agreed(deflate::Config::default().threshold(0)).filter(|_| compressed);
        for (sender, receiver) in ROLES {
            let mut wire: Vec<u8> = steps.iter().flat_map(|step| step.encode(sender, agreed)).collect();
            wire.extend(script::encode_close(close.as_ref(), sender));
            let mut expected: Vec<_> = steps.iter().flat_map(script::Step::messages).collect();
            expected.push(Message::Close(close.clone()));
            prop_assert_eq!(script::decode(&wire, receiver, agreed, &read_sizes), expected);
        }
    }

    #[test]
    fn any_bytes_are_decoded_the_same_however_they_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzzed::websocket_decode::run(&bytes);
    }

    #[test]
    fn damaged_streams_are_decoded_the_same_however_they_are_read(
        steps in script::steps(), choice in 0..4_u8, read_size in 1..200_u8,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let sender = if choice & 1 == 0 { Role::Client } else { Role::Server };
        let agreed = script::agreed(deflate::Config::default().threshold(0)).filter(|_| choice & 2 != 0);
        let mut stream = vec![choice, read_size];
        stream.extend(steps.iter().flat_map(|step| step.encode(sender, agreed)));
        for (place, byte) in damage {
            let place = place.index(stream.len());
            stream[place] ^= byte;
        }
        fuzzed::websocket_decode::run(&stream);
    }
}
