//! The contract of the command line: what callers rely on, line by line and shape by shape.
//!
//! Lines are played through the command itself, at a desk of its own, against a whole controller in
//! this process; units are played by a puppet that reports what an agent would. A test that stands
//! for a row of the contract has the row's id in its doc comment.

#[cfg(test)]
#[path = "contract/cases.rs"]
mod cases;
#[cfg(test)]
#[path = "contract/clouds.rs"]
mod clouds;
#[cfg(test)]
#[path = "contract/house.rs"]
mod house;
#[cfg(test)]
#[path = "contract/puppet.rs"]
mod puppet;
#[cfg(test)]
#[path = "contract/removing.rs"]
mod removing;
#[cfg(test)]
#[path = "contract/running.rs"]
mod running;
#[cfg(test)]
#[path = "contract/schema.rs"]
mod schema;
#[cfg(test)]
#[path = "contract/shapes.rs"]
mod shapes;
