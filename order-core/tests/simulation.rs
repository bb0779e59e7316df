//! The simulator finds nothing wrong with the engine, and finds every bug that is planted.
