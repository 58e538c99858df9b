pub(crate) mod invariants;
pub(crate) mod script;
