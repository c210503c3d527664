//! A sensor publishes readings faster than a display fetches them, over a channel on which only the newest value counts: the display never
//! works through old ones, and the last one always arrives. One command:
//!
//! ```sh
//! cargo run -p session-smol --example telemetry_smol
//! ```

use std::error::Error;

use session_smol::{Bind, ChannelConfig, ChannelId, ChannelMode, Endpoint, RustCrypto, Secret, StaticKey};

const READINGS: ChannelId = ChannelId(16);
const LAST: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let sensor = endpoint().await?;
    let (key, address) = (sensor.public_key(), sensor.local_addr());
    let publishing = smol::spawn(async move { publish(sensor).await.map_err(|error| error.to_string()) });

    let display = endpoint().await?;
    let session = display.connect(key, address).await?;
    let channel = session.channel(READINGS);
    let (mut fetched, mut reading, mut message) = (0, 0, Vec::new());
    while reading < LAST {
        message.clear();
        channel.recv(&mut message, 100).await?.ok_or("the sensor is gone")?;
        let newest = String::from_utf8_lossy(&message).parse()?;
        assert!(newest > reading, "an old reading");
        (fetched, reading) = (fetched + 1, newest);
    }
    println!("fetched {fetched} of {LAST} readings; the last is {reading}");
    session.close(0, "seen enough").await;
    publishing.await?;
    Ok(())
}

/// Publishes to one display, for as long as it watches.
async fn publish(endpoint: Endpoint) -> Result<(), Box<dyn Error>> {
    let session = endpoint.accept().await.ok_or("the endpoint is closed")?.accept().await?;
    let channel = session.channel(READINGS);
    for reading in 1..=LAST {
        // It takes the place of the reading before, if that has not left yet.
        channel.send(reading.to_string().as_bytes()).await?;
        if reading.is_multiple_of(100) {
            smol::future::yield_now().await;
        }
    }
    session.closed().await;
    Ok(())
}

async fn endpoint() -> Result<Endpoint, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    let key = StaticKey::new(&RustCrypto, Secret::new(secret));
    let readings = ChannelConfig::new(READINGS, ChannelMode::LatestValue);
    Ok(Endpoint::builder(key).application("telemetry").channel(readings).bind("127.0.0.1:0".parse()?).await?)
}
