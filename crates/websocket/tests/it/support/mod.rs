pub(crate) mod fuzzed;
pub(crate) mod script;
