//! What the examples with a page have in common, so that each of them shows its own idea only.
//!
//! [`Place`] says where they listen, [`serve`] how they run and end, [`page`] how they hand out their page;
//! [`message`] and [`names`] have the rules for what people may say and be called. The look and the scripts that pages share are in `page/`.

mod clock;
pub mod message;
pub mod names;
mod page;
mod refusal;
mod secret;
mod serve;

pub use clock::now;
pub use page::{page, script};
pub use refusal::refuse;
pub use secret::Secret;
pub use serve::{Place, serve};
