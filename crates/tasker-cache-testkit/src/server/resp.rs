//! Just enough of Redis' protocol (RESP2) to ask a server for something.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};

/// A server's answer to a command.
///
/// ```
/// use tasker_cache_testkit::server::Reply;
///
/// let reply = Reply::Array(vec![Reply::Integer(3), Reply::Bulk("three".into()), Reply::Nil]);
/// assert_eq!(reply.items()[0].integer(), Some(3));
/// assert_eq!(reply.items()[1].text(), Some("three"));
/// assert!(!reply.is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// A word, such as `OK`.
    Status(String),
    /// An error, as the server said it: `WRONGTYPE Operation against …`.
    Error(String),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Bytes),
    /// Nothing there.
    Nil,
    /// Several answers.
    Array(Vec<Reply>),
}

impl Reply {
    /// Tells whether it is the word `OK`.
    ///
    /// ```
    /// # use tasker_cache_testkit::server::Reply;
    /// assert!(Reply::Status("OK".into()).is_ok());
    /// ```
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Status(word) if word == "OK")
    }

    /// Returns a word, an error or valid UTF-8 as text; `None` for any other answer.
    ///
    /// ```
    /// # use tasker_cache_testkit::server::Reply;
    /// assert_eq!(Reply::Bulk("value".into()).text(), Some("value"));
    /// assert_eq!(Reply::Nil.text(), None);
    /// ```
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Status(text) | Self::Error(text) => Some(text),
            Self::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Integer(_) | Self::Nil | Self::Array(_) => None,
        }
    }

    /// Returns the bytes of a value; `None` for any other answer.
    ///
    /// ```
    /// # use tasker_cache_testkit::server::Reply;
    /// assert_eq!(Reply::Bulk("\r\n".into()).bytes().as_deref(), Some(&b"\r\n"[..]));
    /// ```
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        if let Self::Bulk(bytes) = self { Some(bytes.clone()) } else { None }
    }

    /// Returns a number; `None` for any other answer.
    ///
    /// ```
    /// # use tasker_cache_testkit::server::Reply;
    /// assert_eq!(Reply::Integer(7).integer(), Some(7));
    /// ```
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// Returns what is in an array; nothing for any other answer.
    ///
    /// ```
    /// # use tasker_cache_testkit::server::Reply;
    /// assert!(Reply::Nil.items().is_empty());
    /// ```
    #[must_use]
    pub fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(text) => f.write_str(text),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Integer(number) => number.fmt(f),
            Self::Bulk(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Nil => f.write_str("(nil)"),
            Self::Array(items) => {
                f.debug_list().entries(items.iter().map(Self::to_string)).finish()
            }
        }
    }
}

/// A connection on which one command follows the other.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a command and returns its answer, errors of the server included.
    pub(crate) async fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            let arg = arg.as_ref();
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).await?;
        read_reply(&mut self.stream).await
    }

    /// Sends a command whose refusal is an error.
    pub(crate) async fn demand<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        match self.call(args).await? {
            Reply::Error(error) => Err(io::Error::other(error)),
            reply => Ok(reply),
        }
    }
}

type Reading<'a> = Pin<Box<dyn Future<Output = io::Result<Reply>> + Send + 'a>>;

fn read_reply<R: AsyncBufRead + Unpin + Send>(reader: &mut R) -> Reading<'_> {
    Box::pin(async move {
        let line = read_line(reader).await?;
        let Some((kind, rest)) = line.split_at_checked(1) else { return Err(malformed(&line)) };
        Ok(match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(rest.parse().map_err(|_| malformed(&line))?),
            "$" | "*" if rest == "-1" => Reply::Nil,
            "$" => {
                let len: usize = rest.parse().map_err(|_| malformed(&line))?;
                let mut bytes = vec![0; len + 2];
                reader.read_exact(&mut bytes).await?;
                bytes.truncate(len);
                Reply::Bulk(bytes.into())
            }
            "*" => {
                let len: usize = rest.parse().map_err(|_| malformed(&line))?;
                let mut items = Vec::new();
                for _ in 0..len {
                    items.push(read_reply(reader).await?);
                }
                Reply::Array(items)
            }
            _ => return Err(malformed(&line)),
        })
    })
}

async fn read_line<R: AsyncBufRead + Unpin + Send>(reader: &mut R) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed reply {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(text: &str) -> io::Result<Reply> {
        read_reply(&mut text.as_bytes()).await
    }

    #[tokio::test]
    async fn every_kind_of_reply_is_read() {
        let text = "*6\r\n+OK\r\n-ERR no\r\n:-3\r\n$4\r\na\r\nb\r\n$-1\r\n*-1\r\n";
        let expected = [
            Reply::Status("OK".into()),
            Reply::Error("ERR no".into()),
            Reply::Integer(-3),
            Reply::Bulk("a\r\nb".into()),
            Reply::Nil,
            Reply::Nil,
        ];
        assert_eq!(parsed(text).await.expect("valid").items(), expected);
    }

    #[tokio::test]
    async fn what_is_no_reply_is_an_error() {
        for text in ["", "\r\n", "what\r\n", ":x\r\n", "$x\r\n", "$3\r\na", "*2\r\n:1\r\n", "é\r\n"]
        {
            assert!(parsed(text).await.is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_command_is_sent_with_its_lengths() {
        let (ours, mut theirs) = tokio::io::duplex(256);
        theirs.write_all(b"+OK\r\n").await.expect("room");
        let reply = Connection::new(ours).call(&["SET", "é", ""]).await;
        assert!(reply.expect("an answer").is_ok());
        let mut sent = String::new();
        theirs.read_to_string(&mut sent).await.expect("text");
        assert_eq!(sent, "*3\r\n$3\r\nSET\r\n$2\r\né\r\n$0\r\n\r\n");
    }
}
