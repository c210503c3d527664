//! Files between real processes of the `session` command. The heavy transfers run in release builds only (`just e2e`, `just soak`).

mod bad_input;
mod demo;
mod heavy;
mod pair;
mod support;
mod transfer;
