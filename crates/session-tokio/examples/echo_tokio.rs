//! Two commands, in two terminals:
//!
//! ```sh
//! cargo run -p session-tokio --example echo_tokio -- listen 127.0.0.1:7400
//! cargo run -p session-tokio --example echo_tokio -- say KEY 127.0.0.1:7400 "hello there"     # KEY as the first one prints it
//! ```

use std::error::Error;

use session_tokio::{Bind, ChannelId, Endpoint, PublicKey, RustCrypto, Secret, Session, StaticKey};

const CHANNEL: ChannelId = ChannelId(16);
const LONGEST: usize = 1 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    run().await
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["listen", address] => listen(address).await,
        ["say", key, address, text] => say(key, address, text).await,
        _ => Err("usage: echo listen ADDRESS | echo say KEY ADDRESS TEXT".into()),
    }
}

async fn listen(address: &str) -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::builder(fresh_key()?).application("echo").bind(address.parse()?).await?;
    println!("listening on {} with key {}", endpoint.local_addr(), to_hex(endpoint.public_key().as_bytes()));
    while let Some(incoming) = endpoint.accept().await {
        println!("session from {:?}", incoming.remote_address());
        match incoming.accept().await {
            Ok(session) => drop(tokio::spawn(echo(session))),
            Err(error) => println!("gone again: {error}"),
        }
    }
    Ok(())
}

/// Sends back what comes, until the peer closes.
async fn echo(session: Session) {
    let channel = session.channel(CHANNEL);
    let mut message = Vec::new();
    while let Ok(Some(_)) = channel.recv(&mut message, LONGEST).await {
        if channel.send(&message).await.is_err() {
            break;
        }
        message.clear();
    }
    println!("session ended: {:?}", session.closed().await);
}

async fn say(key: &str, address: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let peer = PublicKey::from_bytes(from_hex(key).ok_or("a key has 64 hexadecimal digits")?)?;
    let endpoint = Endpoint::builder(fresh_key()?).application("echo").bind("0.0.0.0:0".parse()?).await?;
    let session = endpoint.connect(peer, address.parse()?).await?;
    let channel = session.channel(CHANNEL);
    channel.send(text.as_bytes()).await?;
    let mut answer = Vec::new();
    channel.recv(&mut answer, LONGEST).await?;
    println!("{}", String::from_utf8_lossy(&answer));
    session.close(0, "said").await;
    endpoint.close(0, "").await;
    Ok(())
}

fn fresh_key() -> Result<StaticKey, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    Ok(StaticKey::new(&RustCrypto, Secret::new(secret)))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}
