mod hostile_tar;
mod hostile_zip;
mod kit;
mod place;
mod round;
