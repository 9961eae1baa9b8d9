//! The short ways into futures: making one, asking whether one is done, giving it a result, and taking it.

#![forbid(unsafe_code)]

use super::direct::{self, short_ways};
use super::future::{Outcome, PyFuture};
use super::making::{Bare, Place, bare, short_making};

short_making!(PyFuture, |py| bare(py, Self::lone()));

impl Bare for PyFuture {
    fn place() -> &'static Place {
        static PLACE: Place = Place::unknown();
        &PLACE
    }
}

short_ways! {
    install_short_ways for PyFuture {
        c"done"(0) => |future, _| {
            let state = PyFuture::fast_state(future)?;
            Some(direct::truth(future.py(), state.is_done()))
        };
        c"set_result"(1) => |future, result| {
            if !future.get().is_fast() {
                return None;
            }
            let outcome = Outcome::Value(result?.to_owned().unbind());
            match future.get().cell.finish_unwatched(outcome) {
                None => Some(direct::nothing(future.py())),
                Some(outcome) => {
                    // The ordinary way tells those who wait, or refuses.
                    drop(outcome.into_object(future.py()));
                    None
                }
            }
        };
        c"result"(0) => |future, _| {
            if !future.get().is_fast() {
                return None;
            }
            match future.get().outcome(future.py())? {
                Outcome::Value(value) => Some(value.into_bound(future.py())),
                Outcome::Error(error) => {
                    // It is raised by the ordinary way.
                    drop(error.into_bound(future.py()));
                    None
                }
                Outcome::Moved => None,
            }
        };
    }
}
