//! Many nodes in one virtual world.
