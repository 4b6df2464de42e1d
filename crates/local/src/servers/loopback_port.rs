//! A port on both loopback addresses. The port is taken first and opened when all else is ready.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A port that is taken on 127.0.0.1 and \[::1\] but does not accept connections yet. So others see
/// the port closed until all is ready. On a machine without IPv6 it is taken on 127.0.0.1 alone.
#[derive(Debug)]
pub struct ReservedPort {
    sockets: Vec<(IpAddr, TcpSocket)>,
    port: u16,
}

/// The error of a port that cannot be taken or opened on one of the two loopback addresses.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {source}")]
pub struct PortError {
    /// The address.
    pub address: IpAddr,
    /// The error of the operating system.
    pub source: io::Error,
}

impl ReservedPort {
    /// Takes `port`, or for 0 any port that is free on both addresses.
    ///
    /// # Errors
    /// If the port is in use on either address or may not be taken.
    pub fn take(port: u16) -> Result<Self, PortError> {
        /// How many ports are tried that are free on 127.0.0.1 but not on \[::1\].
        const ATTEMPTS: usize = 100;
        let mut attempt = 1;
        loop {
            match Self::take_both(port) {
                Err(error) if port == 0 && attempt < ATTEMPTS && is_taken(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    fn take_both(port: u16) -> Result<Self, PortError> {
        let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        let first = bind(v4, port).map_err(|source| PortError {
            address: v4,
            source,
        })?;
        let address = first.local_addr().map_err(|source| PortError {
            address: v4,
            source,
        })?;
        let mut sockets = vec![(v4, first)];
        match bind(v6, address.port()) {
            Ok(second) => sockets.push((v6, second)),
            Err(error) if is_without_ipv6(&error) => {}
            Err(source) => {
                return Err(PortError {
                    address: v6,
                    source,
                });
            }
        }
        Ok(Self {
            sockets,
            port: address.port(),
        })
    }

    /// The port number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Begins to accept connections.
    ///
    /// # Errors
    /// If another program took the same port meanwhile and listens on it.
    pub fn listen(self) -> Result<Listeners, PortError> {
        let listeners = self.sockets.into_iter().map(|(address, socket)| {
            socket
                .listen(1_024)
                .map_err(|source| PortError { address, source })
        });
        Ok(Listeners(listeners.collect::<Result<_, _>>()?))
    }
}

fn bind(address: IpAddr, port: u16) -> io::Result<TcpSocket> {
    let socket = match address {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that is started again must not wait until the last server's closed connections time
    // out.
    socket.set_reuseaddr(true)?;
    socket.bind((address, port).into())?;
    Ok(socket)
}

fn is_taken(error: &PortError) -> bool {
    error.source.kind() == io::ErrorKind::AddrInUse
}

/// True if the kernel does not know IPv6, or no interface has it.
fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// The open ports on which one server accepts connections. They are one port on both loopback
/// addresses, or a single listener.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        Self(vec![listener])
    }
}

impl Listeners {
    /// The port of the first listener. All listeners of a [`ReservedPort`] have this port. It is 0
    /// if the operating system does not tell the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        let address = self.0.first().map(TcpListener::local_addr);
        address
            .and_then(Result::ok)
            .map_or(0, |address| address.port())
    }

    /// Accepts the next connection on any of the listeners, and returns it with its client's
    /// address.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let accepted = self.0.iter().map(|listener| listener.poll_accept(context));
            accepted
                .into_iter()
                .find(Poll::is_ready)
                .unwrap_or(Poll::Pending)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reserved_port_is_closed_until_it_listens_and_then_open_on_both_loopback_addresses() {
        let reserved = ReservedPort::take(0).unwrap();
        let port = reserved.port();
        let addresses: Vec<_> = reserved
            .sockets
            .iter()
            .map(|(address, _)| *address)
            .collect();
        assert_eq!(addresses.len(), if has_ipv6() { 2 } else { 1 });
        for address in &addresses {
            let refused = TcpStream::connect((*address, port)).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        }
        let listeners = reserved.listen().unwrap();
        for address in addresses {
            let (client, accepted) =
                tokio::join!(TcpStream::connect((address, port)), listeners.accept());
            assert_eq!(client.unwrap().local_addr().unwrap(), accepted.unwrap().1);
        }
        for listener in &listeners.0 {
            let address = listener.local_addr().unwrap();
            assert!(address.ip().is_loopback() && address.port() == port);
        }
    }

    fn has_ipv6() -> bool {
        std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
    }

    #[tokio::test]
    async fn a_port_that_another_program_listens_on_cannot_be_taken_on_either_address() {
        for address in [
            Ipv4Addr::LOCALHOST.into(),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ] {
            if address.is_ipv6() && !has_ipv6() {
                continue;
            }
            let other = std::net::TcpListener::bind((address, 0)).unwrap();
            let taken = ReservedPort::take(other.local_addr().unwrap().port()).unwrap_err();
            assert_eq!(taken.source.kind(), io::ErrorKind::AddrInUse);
            assert_eq!(taken.address, address);
        }
    }

    #[test]
    fn a_kernel_without_ipv6_is_told_from_a_port_that_is_taken() {
        for errno in [
            rustix::io::Errno::AFNOSUPPORT,
            rustix::io::Errno::ADDRNOTAVAIL,
        ] {
            assert!(is_without_ipv6(&errno.into()));
        }
        assert!(!is_without_ipv6(&rustix::io::Errno::ADDRINUSE.into()));
    }
}
