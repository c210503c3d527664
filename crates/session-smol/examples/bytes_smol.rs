//! A channel as a byte stream: a client writes lines and ends its direction, a server sends each line back in capitals, for as long as
//! lines come. Everything that takes futures' `AsyncRead` and `AsyncWrite` works over a session. One command:
//!
//! ```sh
//! cargo run -p session-smol --example bytes_smol
//! ```

use std::error::Error;

use session_smol::{Bind, ChannelId, Endpoint, RustCrypto, Secret, StaticKey};
use smol::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use smol::stream::StreamExt as _;

const CHANNEL: ChannelId = ChannelId(16);

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let server = endpoint().await?;
    let (key, address) = (server.public_key(), server.local_addr());
    let serving = smol::spawn(async move { serve(server).await.map_err(|error| error.to_string()) });

    let client = endpoint().await?;
    let session = client.connect(key, address).await?;
    let (mut reader, mut writer) = session.channel(CHANNEL).byte_stream().into_split();
    for line in ["a byte stream is one message,", "written piece by piece;", "its end is the end of the stream"] {
        writer.write_all(line.as_bytes()).await?;
        writer.write_all(b"\n").await?;
    }
    writer.close().await?;
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await?;
    print!("{answer}");
    session.close(0, "read to the end").await;
    println!("the server read {} lines", serving.await?);
    Ok(())
}

/// Serves one stream; says how many lines it had.
async fn serve(endpoint: Endpoint) -> Result<usize, Box<dyn Error>> {
    let session = endpoint.accept().await.ok_or("the endpoint is closed")?.accept().await?;
    let (reader, mut writer) = session.channel(CHANNEL).byte_stream().into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut count = 0;
    while let Some(line) = lines.next().await {
        writer.write_all(line?.to_uppercase().as_bytes()).await?;
        writer.write_all(b"\n").await?;
        count += 1;
    }
    writer.close().await?;
    session.closed().await;
    Ok(count)
}

async fn endpoint() -> Result<Endpoint, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    let key = StaticKey::new(&RustCrypto, Secret::new(secret));
    Ok(Endpoint::builder(key).application("capitals").bind("127.0.0.1:0".parse()?).await?)
}
