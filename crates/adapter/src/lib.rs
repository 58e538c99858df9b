//! Rooms, and the choice of who receives a broadcast.
