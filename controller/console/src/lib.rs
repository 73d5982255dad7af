//! Flag manners, output formats and error lines that the commands and the hook tools share.
