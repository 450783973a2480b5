//! A small HTTP client over TCP, TLS and Unix sockets.
