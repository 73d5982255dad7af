//! A relation as one unit sees it.
