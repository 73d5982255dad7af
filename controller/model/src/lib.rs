//! The estate: its records, the rules that change them, and what each machine should make of them.
