"""Whether an installation is ready: the reasons why not, and the daemon of this machine."""
