//! Files between real processes of the `session` command. The heavy transfers run in release builds only (`just e2e`, `just soak`).

mod bad_input;
mod chat;
mod demo;
mod dump;
mod folders;
mod generate;
mod heavy;
mod impair;
mod json;
mod pair;
mod ping;
mod support;
mod transfer;
