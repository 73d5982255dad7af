mod hostile_tar;
mod hostile_zip;
pub(super) mod kit;
mod place;
mod round;
