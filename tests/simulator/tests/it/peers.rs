//! Real clients against the simulator: what they accept is what Azure sends.
