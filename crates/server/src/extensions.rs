//! Values of any type, one of each.

use std::any::{Any, TypeId};

use hashbrown::HashMap;
use parking_lot::RwLock;

type Values = HashMap<TypeId, Box<dyn Any + Send + Sync>, foldhash::fast::RandomState>;

/// Values of any type, one of each, that belong to a socket. Empty, it holds no memory.
#[derive(Debug, Default)]
pub struct Extensions(RwLock<Values>);

impl Extensions {
    /// Puts a value in and returns the one of that type that was there before.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<T> {
        let old = self.0.write().insert(TypeId::of::<T>(), Box::new(value))?;
        old.downcast().ok().map(|old| *old)
    }

    /// A copy of the value of this type.
    pub fn get<T: Clone + 'static>(&self) -> Option<T> {
        self.0.read().get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// Takes the value of this type out.
    pub fn remove<T: 'static>(&self) -> Option<T> {
        let old = self.0.write().remove(&TypeId::of::<T>())?;
        old.downcast().ok().map(|old| *old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type() {
        let extensions = Extensions::default();
        assert_eq!(extensions.get::<u8>(), None);
        assert_eq!(extensions.insert(1_u8), None);
        assert_eq!(extensions.insert("text"), None);
        assert_eq!(extensions.insert(2_u8), Some(1));
        assert_eq!((extensions.get::<u8>(), extensions.get::<&str>()), (Some(2), Some("text")));
        assert_eq!((extensions.remove::<u8>(), extensions.remove::<u8>()), (Some(2), None));
    }
}
