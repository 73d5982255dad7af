//! The agent's one question: given what a unit has done and what is wanted, what is the one next step?
