//! All tests over the whole product, in one binary: linking it is what takes long.
