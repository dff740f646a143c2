//! Datagrams over a byte stream, each with its length before it: two bytes, big-endian.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

/// More than UDP carries in one (RFC 768, over IPv4).
pub const MAX_DATAGRAM: usize = 0xffff;

/// A stream of datagrams, and a sink for them, over `stream`. A longer one than
/// [`MAX_DATAGRAM`] is an error; one that the stream's end cuts short is one too.
pub fn datagrams<S: AsyncRead + AsyncWrite>(stream: S) -> Framed<S, LengthDelimitedCodec> {
    LengthDelimitedCodec::builder()
        .length_field_type::<u16>()
        .max_frame_length(MAX_DATAGRAM)
        .new_framed(stream)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{SinkExt, StreamExt as _};
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn datagrams_arrive_as_they_were_sent_be_they_empty() {
        let (ours, theirs) = duplex(64);
        let (mut ours, mut theirs) = (datagrams(ours), datagrams(theirs));
        let sent = [vec![], vec![7; MAX_DATAGRAM], b"x".to_vec()];
        let sending = async {
            for datagram in &sent {
                ours.send(Bytes::from(datagram.clone())).await.unwrap();
            }
            SinkExt::<Bytes>::close(&mut ours).await.unwrap();
        };
        let receiving = async {
            let mut received = Vec::new();
            while let Some(datagram) = theirs.next().await {
                received.push(datagram.unwrap().to_vec());
            }
            received
        };
        let ((), received) = tokio::join!(sending, receiving);
        assert_eq!(received, sent);
    }

    #[tokio::test]
    async fn a_datagram_cut_short_is_an_error() {
        let (mut ours, theirs) = duplex(64);
        ours.write_all(&[0, 9, 1, 2]).await.unwrap();
        drop(ours);
        assert!(matches!(datagrams(theirs).next().await, Some(Err(_))));
    }
}
