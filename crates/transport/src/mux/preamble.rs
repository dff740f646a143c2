//! How two programs that meet on a dirty channel agree where their session begins.
//!
//! ```text
//!   dialler                      acceptor
//!     padding, SYN(d) ───────────►         repeated until answered
//!             ◄─────────── padding, ACK(d, a)
//!     GO(d, a) ──────────────────►         the dialler's session bytes follow
//!             ◄─────────── READY(d, a)     the acceptor's session bytes follow
//! ```
//!
//! `d` and `a` are random. Each side throws away all it reads until the message it
//! waits for, so whatever an earlier session left behind it does no harm. The
//! channel keeps order, so nothing can follow GO and READY but the session. The
//! padding is longer than a frame: a peer still in an earlier session, perhaps in the
//! middle of a frame, reads past the frame's end, finds no frame, and gives up.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long the dialler waits for the acceptor before it asks again. The acceptor
/// may have read the first request as part of an earlier session.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// The largest payload of a frame that either side sends, and its header.
const LONGEST_FRAME: usize = super::session::SPLIT_SEND_SIZE + 12;

/// No frame and no message begins with it: yamux frames begin with version 0.
static PADDING: [u8; LONGEST_FRAME] = [0xff; LONGEST_FRAME];

/// Begins every message. Its first byte is in no other place of it, and is not
/// a frame's first byte either. The last byte is the preamble's version.
const MAGIC: [u8; 8] = *b"\xf5narumx\x01";

const NONCE: usize = 16;
const BODY: usize = 1 + 2 * NONCE;

type Nonce = [u8; NONCE];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Syn { dialler: Nonce },
    Ack { dialler: Nonce, acceptor: Nonce },
    Go { dialler: Nonce, acceptor: Nonce },
    Ready { dialler: Nonce, acceptor: Nonce },
}

impl Message {
    fn encode(self) -> [u8; MAGIC.len() + BODY] {
        let (tag, dialler, acceptor) = match self {
            Self::Syn { dialler } => (b'S', dialler, [0; NONCE]),
            Self::Ack { dialler, acceptor } => (b'A', dialler, acceptor),
            Self::Go { dialler, acceptor } => (b'G', dialler, acceptor),
            Self::Ready { dialler, acceptor } => (b'R', dialler, acceptor),
        };
        let mut bytes = [0; MAGIC.len() + BODY];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        bytes[MAGIC.len()] = tag;
        bytes[MAGIC.len() + 1..][..NONCE].copy_from_slice(&dialler);
        bytes[MAGIC.len() + 1 + NONCE..].copy_from_slice(&acceptor);
        bytes
    }

    /// `None`: the magic was followed by something else, so it was not ours.
    fn decode(body: &[u8; BODY]) -> Option<Self> {
        let (mut dialler, mut acceptor) = ([0; NONCE], [0; NONCE]);
        dialler.copy_from_slice(&body[1..=NONCE]);
        acceptor.copy_from_slice(&body[1 + NONCE..]);
        match body[0] {
            b'S' => Some(Self::Syn { dialler }),
            b'A' => Some(Self::Ack { dialler, acceptor }),
            b'G' => Some(Self::Go { dialler, acceptor }),
            b'R' => Some(Self::Ready { dialler, acceptor }),
            _ => None,
        }
    }
}

/// Finds messages in a stream of anything. Holds what it has of an unfinished one,
/// so that [`Scanner::next`] is cancel safe.
#[derive(Debug, Default)]
struct Scanner {
    matched: usize,
    body: Vec<u8>,
}

impl Scanner {
    /// Reads up to the end of the next message and not a byte further.
    async fn next(&mut self, io: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Message> {
        loop {
            let bytes = io.fill_buf().await?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (used, message) = self.scan(bytes);
            io.consume(used);
            if let Some(message) = message {
                return Ok(message);
            }
        }
    }

    /// Takes bytes until a message is complete; says how many it took.
    fn scan(&mut self, bytes: &[u8]) -> (usize, Option<Message>) {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.matched < MAGIC.len() {
                // The first byte of the magic is not repeated in it: a mismatch can
                // only be the beginning of another attempt.
                let fits = byte == MAGIC[self.matched];
                self.matched = if fits { self.matched + 1 } else { usize::from(byte == MAGIC[0]) };
                continue;
            }
            self.body.push(byte);
            if let Ok(body) = <&[u8; BODY]>::try_from(self.body.as_slice()) {
                let message = Message::decode(body);
                *self = Self::default();
                if message.is_some() {
                    return (index + 1, message);
                }
            }
        }
        (bytes.len(), None)
    }
}

/// The dialler's part. Ends when the acceptor is ready; the caller sets the deadline.
pub(super) async fn dial(
    io: &mut (impl AsyncBufRead + AsyncWrite + Unpin + Send),
) -> io::Result<()> {
    let ours: Nonce = rand::random();
    let mut agreed: Option<Nonce> = None;
    let mut scanner = Scanner::default();
    io.write_all(&PADDING).await?;
    send(io, Message::Syn { dialler: ours }).await?;
    loop {
        // Once GO is sent, another SYN would fall into the acceptor's session.
        let message = if agreed.is_some() {
            scanner.next(io).await?
        } else if let Ok(message) = timeout(ASK_AGAIN, scanner.next(io)).await {
            message?
        } else {
            send(io, Message::Syn { dialler: ours }).await?;
            continue;
        };
        match message {
            Message::Ack { dialler, acceptor } if dialler == ours && agreed != Some(acceptor) => {
                agreed = Some(acceptor);
                send(io, Message::Go { dialler, acceptor }).await?;
            }
            Message::Ready { dialler, acceptor } if dialler == ours && agreed == Some(acceptor) => {
                return Ok(());
            }
            _ => {}
        }
    }
}

/// The acceptor's part. Waits for a dialler for as long as the channel is open.
pub(super) async fn accept(
    io: &mut (impl AsyncBufRead + AsyncWrite + Unpin + Send),
) -> io::Result<()> {
    let ours: Nonce = rand::random();
    let mut asked: Option<Nonce> = None;
    let mut scanner = Scanner::default();
    io.write_all(&PADDING).await?;
    io.flush().await?;
    loop {
        match scanner.next(io).await? {
            Message::Syn { dialler } => {
                asked = Some(dialler);
                send(io, Message::Ack { dialler, acceptor: ours }).await?;
            }
            Message::Go { dialler, acceptor } if asked == Some(dialler) && acceptor == ours => {
                return send(io, Message::Ready { dialler, acceptor }).await;
            }
            _ => {}
        }
    }
}

async fn send(io: &mut (impl AsyncWrite + Unpin), message: Message) -> io::Result<()> {
    io.write_all(&message.encode()).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, BufStream, duplex};

    use super::*;

    fn messages(bytes: &[u8], chunk: usize) -> Vec<Message> {
        let mut scanner = Scanner::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(chunk) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (used, message) = scanner.scan(rest);
                found.extend(message);
                rest = &rest[used..];
            }
        }
        found
    }

    #[test]
    fn a_message_is_found_in_garbage_whatever_the_chunks() {
        let syn = Message::Syn { dialler: [7; NONCE] };
        let mut bytes = vec![0, MAGIC[0], MAGIC[0], MAGIC[1], 0xff];
        bytes.extend(syn.encode());
        bytes.extend([MAGIC[0]; 3]);
        bytes.extend(syn.encode());
        for chunk in 1..bytes.len() {
            assert_eq!(messages(&bytes, chunk), [syn, syn], "in chunks of {chunk}");
        }
    }

    #[test]
    fn magic_with_an_unknown_tag_is_passed_over() {
        let go = Message::Go { dialler: [1; NONCE], acceptor: [2; NONCE] };
        let mut bytes = go.encode().to_vec();
        bytes[MAGIC.len()] = b'?';
        bytes.extend(go.encode());
        assert_eq!(messages(&bytes, 5), [go]);
    }

    #[test]
    fn messages_survive_the_wire() {
        let (dialler, acceptor) = ([3; NONCE], [4; NONCE]);
        let all = [
            Message::Syn { dialler },
            Message::Ack { dialler, acceptor },
            Message::Go { dialler, acceptor },
            Message::Ready { dialler, acceptor },
        ];
        let bytes: Vec<u8> = all.iter().flat_map(|message| message.encode()).collect();
        assert_eq!(messages(&bytes, 9), all);
    }

    /// Both directions hold the rest of an earlier session, cut at every point of it.
    #[tokio::test]
    async fn both_sides_agree_over_the_leftovers_of_another_session() {
        let mut stale = Message::Syn { dialler: [9; NONCE] }.encode().to_vec();
        stale.extend(Message::Go { dialler: [9; NONCE], acceptor: [8; NONCE] }.encode());
        stale.extend(Message::Ready { dialler: [9; NONCE], acceptor: [8; NONCE] }.encode());
        for cut in 0..stale.len() {
            let (mut host, mut guest) = duplex(64 * 1024);
            host.write_all(&stale[..cut]).await.unwrap();
            guest.write_all(&stale[..cut]).await.unwrap();
            let (mut host, mut guest) = (BufStream::new(host), BufStream::new(guest));
            let (dialled, accepted) = tokio::join!(dial(&mut host), accept(&mut guest));
            dialled.unwrap();
            accepted.unwrap();
            host.write_all(b"first bytes").await.unwrap();
            host.flush().await.unwrap();
            let mut read = [0; 11];
            guest.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"first bytes", "cut at {cut}");
        }
    }
}
