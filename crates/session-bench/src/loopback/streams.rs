//! Peers whose connection is a stream of bytes each way: the same applications for all of them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

use super::{Bulk, Messages, PIECE, PING, PingPong, Places, timed};
use crate::Failure;
use crate::report::About;

/// One end of a connection.
pub(super) struct Stream {
    reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Stream {
    /// Small reads are served from a buffer, large ones go through.
    pub(super) fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self { reader: BufReader::with_capacity(PIECE / 4, Box::new(reader)), writer: Box::new(writer) }
    }
}

/// Two ends, and what must live as long as they do.
pub(super) struct Streams {
    about: About,
    places: Arc<Places>,
    near: Stream,
    /// `None` while a task has it, and after one has failed.
    far: Option<Stream>,
    _alive: Box<dyn Any>,
}

impl Streams {
    pub(super) fn new(about: About, places: Arc<Places>, near: Stream, far: Stream, alive: impl Any) -> Self {
        Self { about, places, near, far: Some(far), _alive: Box::new(alive) }
    }

    fn take_far(&mut self) -> Result<Stream, Failure> {
        self.far.take().ok_or_else(|| "the connection has failed".into())
    }
}

impl Bulk for Streams {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn transfer(&mut self, bytes: usize) -> Result<(), Failure> {
        let mut far = self.take_far()?;
        let (places, near) = (Arc::clone(&self.places), &mut self.near);
        self.far = Some(places.block_on(async {
            let receive = places.far().spawn(async move {
                let mut buffer = vec![0; PIECE];
                let mut received = 0;
                while received < bytes {
                    match far.reader.read(&mut buffer).await? {
                        0 => return Err("the connection has ended".into()),
                        length => received += length,
                    }
                }
                Ok::<_, Failure>(far)
            });
            let piece = vec![7; PIECE];
            for _ in 0..bytes / PIECE {
                near.writer.write_all(&piece).await?;
            }
            near.writer.flush().await?;
            receive.await?
        })?);
        Ok(())
    }
}

impl PingPong for Streams {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn round_trips(&mut self, count: usize) -> Result<Vec<Duration>, Failure> {
        let mut far = self.take_far()?;
        let (places, near) = (Arc::clone(&self.places), &mut self.near);
        let (times, far) = places.block_on(async {
            let answer = places.far().spawn(async move {
                let mut message = [0; PING];
                for _ in 0..count {
                    far.reader.read_exact(&mut message).await?;
                    far.writer.write_all(&message).await?;
                    far.writer.flush().await?;
                }
                Ok::<_, Failure>(far)
            });
            let mut message = [0; PING];
            let times = timed(count, async || {
                near.writer.write_all(&[7; PING]).await?;
                near.writer.flush().await?;
                near.reader.read_exact(&mut message).await?;
                Ok(())
            })
            .await?;
            Ok::<_, Failure>((times, answer.await??))
        })?;
        self.far = Some(far);
        Ok(times)
    }
}

impl Messages for Streams {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn send(&mut self, count: usize) -> Result<(), Failure> {
        let mut far = self.take_far()?;
        let (places, near) = (Arc::clone(&self.places), &mut self.near);
        self.far = Some(places.block_on(async {
            let receive = places.far().spawn(async move {
                let mut message = [0; PING];
                for _ in 0..count {
                    far.reader.read_exact(&mut message).await?;
                }
                Ok::<_, Failure>(far)
            });
            for _ in 0..count {
                near.writer.write_all(&[7; PING]).await?;
            }
            near.writer.flush().await?;
            receive.await?
        })?);
        Ok(())
    }
}
