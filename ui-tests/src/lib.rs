//! What must not compile, and what must. The cases are in `ui/`, one mistake each, and the error
//! that a user sees stands beside each of them as `.stderr`.
