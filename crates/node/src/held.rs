//! What one JavaScript object of a toolkit holds, until it is closed.
//!
//! All of it lives on its own thread and every call on it is quick, so that nothing waits for anything. Closing lets go
//! of it at once, whenever the object itself is collected.

use std::cell::RefCell;
use std::rc::Rc;

use coterie_types::Code;

use crate::answer::guarded;
use crate::failure::{NativeFailure, Outcome, outcome};

/// A value that may have been let go of.
pub(crate) struct Held<T>(Rc<RefCell<Option<T>>>);

/// A part of what another object holds, or a value by itself.
pub(crate) struct Part<T>(Rc<dyn Lend<T>>);

trait Lend<T> {
    /// Shows the value to `work`, if it is still there.
    fn lend(&self, work: &mut dyn FnMut(&mut T));
}

struct Inside<W, T>(Held<W>, fn(&mut W) -> &mut T);

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Rc::new(RefCell::new(Some(value))))
    }

    /// The same value, for a function that works on it.
    pub(crate) fn share(&self) -> Self {
        Self(Rc::clone(&self.0))
    }

    /// Lets go of the value. Doing so twice is fine.
    pub(crate) fn close(&self) {
        self.0.take();
    }

    /// Works on the value.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R, NativeFailure>) -> Outcome<R> {
        outcome(guarded(|| self.lend(work)))
    }

    /// The same within a call that is guarded, for one that works on several values.
    pub(crate) fn lend<R>(
        &self,
        work: impl FnOnce(&mut T) -> Result<R, NativeFailure>,
    ) -> Result<R, NativeFailure> {
        work(self.0.borrow_mut().as_mut().ok_or_else(closed)?)
    }

    /// Looks at the value.
    pub(crate) fn look<R>(&self, work: impl FnOnce(&T) -> R) -> Outcome<R> {
        self.with(|value| Ok(work(value)))
    }
}

impl<W: 'static> Held<W> {
    /// A part of the value, for an object of its own that is closed with this one.
    pub(crate) fn part<T: 'static>(&self, part: fn(&mut W) -> &mut T) -> Part<T> {
        Part(Rc::new(Inside(self.share(), part)))
    }
}

impl<T: 'static> Part<T> {
    /// A value by itself.
    pub(crate) fn alone(value: T) -> Self {
        Held::new(value).part(|value| value)
    }
}

impl<T> Part<T> {
    /// Works on the value.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R, NativeFailure>) -> Outcome<R> {
        let (mut work, mut result) = (Some(work), None);
        outcome(guarded(|| {
            self.0.lend(&mut |value| result = work.take().map(|work| work(value)));
            result.unwrap_or_else(|| Err(closed()))
        }))
    }

    /// Looks at the value.
    pub(crate) fn look<R>(&self, work: impl FnOnce(&T) -> R) -> Outcome<R> {
        self.with(|value| Ok(work(value)))
    }
}

impl<W, T> Lend<T> for Inside<W, T> {
    fn lend(&self, work: &mut dyn FnMut(&mut T)) {
        if let Some(whole) = self.0.0.borrow_mut().as_mut() {
            work((self.1)(whole));
        }
    }
}

fn closed() -> NativeFailure {
    NativeFailure::of(Code::HANDLE_CLOSED)
}
