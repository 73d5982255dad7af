//! The operator's hand: the muster command, which answers to juju too.
