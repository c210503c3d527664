//! Sends several files at the same time, each over a channel of its own that is opened for it: none waits behind a large one. The first message
//! says what comes, the end of the channel that it is complete. On the way back come reports of how far it is, which are worth something for a moment
//! only: they have a deadline, and what is late is left out. One command; without files it sends the sources of the examples:
//!
//! ```sh
//! cargo run -p session-tokio --example files_tokio -- FILE...
//! ```

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use session_tokio::{
    Bind, Channel, ChannelLimits, ChannelMode, ChannelOptions, Endpoint, Limits, RecvError, RustCrypto, Secret,
    SendError, Session, StaticKey,
};
use tokio::task::JoinSet;

/// Files on their way at once; the others wait for their turn.
const AT_ONCE: u16 = 4;
const PIECE: usize = 1024;
/// A report that has not arrived by then is of no use: the next says more.
const FRESH: Duration = Duration::from_millis(100);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        let own = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))?;
        files = own.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
    }
    let receiver = endpoint().await?;
    let (key, address) = (receiver.public_key(), receiver.local_addr());
    let receiving = tokio::spawn(receive_all(receiver));

    let sender = endpoint().await?;
    let session = sender.connect(key, address).await?;
    let mut sending = JoinSet::new();
    for file in files {
        sending.spawn(send_file(session.clone(), file));
    }
    while let Some(sent) = sending.join_next().await {
        println!("{}", sent??);
    }
    session.close(0, "all sent").await;
    println!("received {} files", receiving.await??);
    Ok(())
}

/// Sends one file; says what came of it.
async fn send_file(session: Session, file: PathBuf) -> Result<String, Failure> {
    let name = file.file_name().map(Path::new).ok_or("not the name of a file")?.display().to_string();
    let content = fs::read(&file)?;
    // Waits while as many are open as the receiver allows.
    let channel = session.open_channel(ChannelMode::ReliableOrdered, ChannelOptions::default()).await?;
    let sending = async {
        channel.send(format!("{} {name}", content.len()).as_bytes()).await?;
        for piece in content.chunks(PIECE) {
            channel.send(piece).await?;
        }
        channel.end()?;
        Ok::<_, Failure>(())
    };
    let (sent, answer) = tokio::join!(sending, watch(&channel, &name));
    sent?;
    Ok(format!("{name}: {}", answer?))
}

/// Shows the reports that come back; the last one is the answer.
async fn watch(channel: &Channel, name: &str) -> Result<String, Failure> {
    let mut last = None;
    loop {
        let mut report = Vec::new();
        match channel.recv(&mut report, 100).await {
            Ok(Some(_)) => {
                if let Some(report) = last.replace(String::from_utf8(report)?) {
                    println!("{name}: {report}");
                }
            }
            // A report was given up when a part of it had come.
            Err(RecvError::Cut) => {}
            Ok(None) => return last.ok_or("no answer".into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives what one sender brings; says how many files that were.
async fn receive_all(endpoint: Endpoint) -> Result<usize, Failure> {
    let session = endpoint.accept().await.ok_or("the endpoint is closed")?.accept().await?;
    let mut receiving = JoinSet::new();
    while let Some(channel) = session.accept_channel().await {
        receiving.spawn(receive_file(channel));
    }
    Ok(receiving.join_all().await.into_iter().filter(Result::is_ok).count())
}

/// Receives one file, and keeps nothing of it.
async fn receive_file(channel: Channel) -> Result<(), Failure> {
    let mut message = Vec::new();
    channel.recv(&mut message, 1000).await?.ok_or("no file")?;
    let announced = String::from_utf8(message)?;
    let total: usize = announced.split(' ').next().unwrap_or_default().parse()?;
    let (mut received, mut told) = (0, 0);
    let mut piece = Vec::new();
    while let Some(length) = channel.recv(&mut piece, PIECE).await? {
        received += length;
        piece.clear();
        let percent = 100 * received / total.max(1);
        if percent >= told + 25 {
            told = percent;
            match channel.send_by(format!("{percent} %").as_bytes(), in_a_moment()).await {
                Ok(_) | Err(SendError::Late) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let answer = if received == total { format!("all {total} bytes arrived") } else { "it is cut off".into() };
    channel.send(answer.as_bytes()).await?;
    Ok(channel.end()?)
}

#[expect(clippy::disallowed_methods, reason = "a program reads the clock where it likes")]
fn in_a_moment() -> Instant {
    Instant::now() + FRESH
}

async fn endpoint() -> Result<Endpoint, Failure> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    let key = StaticKey::new(&RustCrypto, Secret::new(secret));
    let mut limits = Limits::default();
    limits.opened_channels = AT_ONCE.into();
    let builder = Endpoint::builder(key).application("files").limits(limits);
    let files = ChannelLimits::NONE.with(ChannelMode::ReliableOrdered, AT_ONCE);
    Ok(builder.channel_limits(files).bind("127.0.0.1:0".parse()?).await?)
}
