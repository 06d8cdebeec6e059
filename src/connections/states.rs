//! Typed state of a connection: what the service around the host remembers of it, for as long as it lives.
//!
//! A state has a name and a value of any type. Code reads it by both; filters and administrators see the names alone.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::share::error::Refusal;
use crate::share::limits::{ID_BYTES_MAX, Limit, STATES_MAX};

/// The states of one connection. They die with it: then there are none, and none can be set.
#[derive(Default)]
pub struct States(Mutex<Held>);

#[derive(Default)]
struct Held {
    values: BTreeMap<String, Arc<dyn Any + Send + Sync>>,
    ended: bool,
}

impl States {
    /// Sets a state, in the place of any of that name. After the connection's end it does nothing.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`]: there are 64 of other names (`statesMax`), or the name has more than 256 bytes
    /// (`idBytesMax`).
    pub fn set<T: Any + Send + Sync>(&self, name: &str, value: T) -> Result<(), Refusal> {
        if name.len() > ID_BYTES_MAX {
            return Err(Refusal::limit(Limit::IdBytesMax, ID_BYTES_MAX, name.len()));
        }
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        // What was there is dropped after the lock: its destructor may look at the states.
        let _before = {
            let mut held = self.lock();
            if held.ended {
                return Ok(());
            }
            if held.values.len() >= STATES_MAX && !held.values.contains_key(name) {
                return Err(Refusal::limit(Limit::StatesMax, STATES_MAX, STATES_MAX + 1));
            }
            held.values.insert(name.to_owned(), value)
        };
        Ok(())
    }

    /// The state of this name, if there is one and it is of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self, name: &str) -> Option<Arc<T>> {
        let value = self.lock().values.get(name).cloned()?;
        value.downcast().ok()
    }

    /// Whether there is a state of this name, of whatever type.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.lock().values.contains_key(name)
    }

    /// Clears the state of this name. Says whether there was one.
    pub fn clear(&self, name: &str) -> bool {
        let before = self.lock().values.remove(name);
        before.is_some()
    }

    /// The names, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().values.keys().cloned().collect()
    }

    /// Drops them all, for good: the connection is over.
    #[doc(hidden)]
    pub fn end(&self) {
        let _all = {
            let mut held = self.lock();
            held.ended = true;
            std::mem::take(&mut held.values)
        };
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for States {
    /// Names, never values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S46: typed state can be set, read and cleared, and dies with the connection.
    #[test]
    fn a_state_is_read_by_its_name_and_type() {
        let states = States::default();
        states.set("room", 7_u32).unwrap();
        assert_eq!(states.get::<u32>("room").as_deref(), Some(&7));
        assert_eq!(states.get::<u64>("room"), None);
        states.set("room", "kitchen").unwrap();
        assert_eq!(states.get::<&str>("room").as_deref(), Some(&"kitchen"));
        assert!(states.has("room") && states.clear("room") && !states.clear("room") && !states.has("room"));
        let value = Arc::new(());
        states.set("kept", Arc::clone(&value)).unwrap();
        states.end();
        states.set("late", Arc::clone(&value)).unwrap();
        assert_eq!((states.names().len(), Arc::strong_count(&value)), (0, 1));
    }

    #[test]
    fn there_is_a_bound() {
        let states = States::default();
        for n in 0..STATES_MAX {
            states.set(&n.to_string(), n).unwrap();
        }
        assert_eq!(states.set("one more", 0), Err(Refusal::limit(Limit::StatesMax, STATES_MAX, STATES_MAX + 1)));
        states.set("0", 1).unwrap();
        assert!(matches!(states.set(&"x".repeat(257), 0), Err(Refusal::LimitExceeded { .. })));
    }
}
