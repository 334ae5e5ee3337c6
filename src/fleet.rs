//! What a fleet is, as values: no module below it does I/O.
