//! Harness, simulation, scenarios, contract, system and tidy tests; the demo, verify and measure commands.
