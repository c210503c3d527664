//! A station that sleeps, and an alarm that wakes it. A sensor opens a channel for readings, each good for a moment only: what the station does not take
//! in time is given up, so that nothing old piles up before it. When the sensor is too hot it opens a second channel, and that is the alarm: it
//! passes everything that waits on the first. One command:
//!
//! ```sh
//! cargo run -p session-smol --example alarm_smol
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use session_smol::{
    Bind, ChannelLimits, ChannelMode, ChannelOptions, Endpoint, Limits, PublicKey, RecvError, RustCrypto, Secret,
    SendError, StaticKey,
};

const GOOD_FOR: Duration = Duration::from_millis(20);
const READINGS: usize = 100;
/// As far as the sensor may run ahead of the station: a few readings.
const AHEAD: u64 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let station = endpoint().await?;
        let (key, address) = (station.public_key(), station.local_addr());
        smol::future::try_zip(watch(station), measure(key, address)).await?;
        Ok(())
    })
}

/// The sensor.
async fn measure(station: PublicKey, address: std::net::SocketAddr) -> Result<(), Box<dyn Error>> {
    let session = endpoint().await?.connect(station, address).await?;
    let readings = session.open_channel(ChannelMode::ReliableOrdered, ChannelOptions::default()).await?;
    let mut no_room = 0;
    for number in 1..=READINGS {
        let reading = format!("{number}: {:>94} degrees", 20 + number);
        match readings.send_by(reading.as_bytes(), in_a_moment()).await {
            Ok(_) => {}
            // The channel was full all the time.
            Err(SendError::Late) => no_room += 1,
            Err(error) => return Err(error.into()),
        }
    }
    // Each has arrived, or is given up.
    readings.flushed().await?;
    readings.send(b"the last: out of scale").await?;
    readings.end()?;
    let urgent = ChannelOptions::default().with_priority(0);
    let alarm = session.open_channel(ChannelMode::ReliableOrdered, urgent).await?;
    alarm.send(b"too hot").await?;
    session.closed().await;

    // Their names wait to be asked for, also after the end.
    let mut late = 0;
    while readings.expired().await.is_ok() {
        late += 1;
    }
    println!("sensor: of {READINGS} readings {late} were given up, and {no_room} found no room in time");
    Ok(())
}

/// The station.
async fn watch(endpoint: Endpoint) -> Result<(), Box<dyn Error>> {
    let session = endpoint.accept().await.ok_or("the endpoint is closed")?.accept().await?;
    let readings = session.accept_channel().await.ok_or("no sensor")?;
    println!("station: asleep");
    let alarm = session.accept_channel().await.ok_or("no alarm")?;
    let mut message = Vec::new();
    alarm.recv(&mut message, 1000).await?;
    println!("station: alarm, {}", String::from_utf8_lossy(&message));

    let (mut count, mut last) = (0, String::new());
    loop {
        message.clear();
        match readings.recv(&mut message, 1000).await {
            Ok(Some(_)) => (count, last) = (count + 1, String::from_utf8_lossy(&message).into_owned()),
            // A reading was given up when a part of it had come.
            Err(RecvError::Cut) => {}
            Ok(None) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("station: {count} readings are left to look at; {last}");
    session.close(0, "seen").await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program reads the clock where it likes")]
fn in_a_moment() -> Instant {
    Instant::now() + GOOD_FOR
}

async fn endpoint() -> Result<Endpoint, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    let key = StaticKey::new(&RustCrypto, Secret::new(secret));
    let mut limits = Limits::default();
    limits.opened_channels = 2;
    (limits.session_window, limits.channel_window) = (2 * AHEAD, AHEAD);
    let channels = ChannelLimits::NONE.with(ChannelMode::ReliableOrdered, 2);
    let builder = Endpoint::builder(key).application("alarm").limits(limits).channel_limits(channels);
    Ok(builder.bind("127.0.0.1:0".parse()?).await?)
}
