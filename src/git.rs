//! The working tree and its remote, driven through the git command.
