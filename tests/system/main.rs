//! System tests: the real binaries, real machines, real parts.
//!
//! All tests share one controller and run one after the other, in the order of their names
//! (`--test-threads=1`); the first one that needs it brings it up and the last one takes it down.
//! They keep to a client store, a controller and models of their own, and disturb no demo.

#[cfg(test)]
mod a_bundle;
#[cfg(test)]
mod b_agent_killed;
#[cfg(test)]
mod c_controller_killed;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod d_two_models;
#[cfg(test)]
mod e_machine;
#[cfg(test)]
mod e_scale;
#[cfg(test)]
mod e_shell;
#[cfg(test)]
mod f_config;
#[cfg(test)]
mod g_removed;
#[cfg(test)]
mod h_host_with_systemd;
#[cfg(test)]
mod i_bootstrap;
#[cfg(test)]
mod killer;
#[cfg(test)]
mod stand;
#[cfg(test)]
mod traces;
