//! A client asks many questions at a time over one channel; a server answers in whatever order it gets done. One question takes too
//! long, and the server learns that nobody waits for its answer. One command:
//!
//! ```sh
//! cargo run -p session-tokio --example request_tokio
//! ```

use std::error::Error;
use std::time::Duration;

use session_tokio::{
    Bind, ChannelId, Endpoint, Request, RequestError, RequestOptions, RustCrypto, Secret, StaticKey, Status,
};

const REQUESTS: RequestOptions = RequestOptions::on(ChannelId(16));

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = endpoint().await?;
    let (key, address) = (server.public_key(), server.local_addr());
    let serving = tokio::spawn(serve(server));

    let client = endpoint().await?;
    let session = client.connect(key, address).await?;
    let requester = session.requester(REQUESTS)?;
    let questions: Vec<_> = (1..=5)
        .map(|number: u64| {
            let requester = requester.clone();
            tokio::spawn(async move {
                (number, requester.request(number.to_string().as_bytes(), Duration::from_secs(5)).await)
            })
        })
        .collect();
    for question in questions {
        let (number, answer) = question.await?;
        println!("{number} squared is {}", String::from_utf8(answer?)?);
    }
    for question in ["the meaning of it all", "x"] {
        match requester.request(question.as_bytes(), Duration::from_millis(200)).await {
            Err(RequestError::TimedOut) => println!("no answer in time"),
            Err(RequestError::Refused { status, body }) => println!("{status}: {}", String::from_utf8_lossy(&body)),
            other => println!("unexpected: {other:?}"),
        }
    }
    session.close(0, "no more questions").await;
    serving.await?;
    Ok(())
}

/// Serves one session, each request in a task of its own.
async fn serve(endpoint: Endpoint) {
    let Some(incoming) = endpoint.accept().await else { return };
    let Ok(session) = incoming.accept().await else { return };
    let Ok(responder) = session.responder(REQUESTS) else { return };
    while let Some(request) = responder.next().await {
        tokio::spawn(answer(request));
    }
}

async fn answer(request: Request) {
    let question = String::from_utf8_lossy(request.bytes()).into_owned();
    let answered = match question.parse::<u64>() {
        Ok(number) => request.respond(number.pow(2).to_string().as_bytes()).await,
        Err(_) if question.len() > 10 => {
            // A long computation would look here now and then.
            request.cancelled().await;
            println!("nobody waits any more: {question}");
            return;
        }
        Err(error) => request.respond_with(Status::APPLICATION, error.to_string().as_bytes()).await,
    };
    if let Err(error) = answered {
        println!("not answered: {error}");
    }
}

async fn endpoint() -> Result<Endpoint, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    let key = StaticKey::new(&RustCrypto, Secret::new(secret));
    Ok(Endpoint::builder(key).application("squares").bind("127.0.0.1:0".parse()?).await?)
}
