"""What a running daemon tells monitoring: metrics and health over HTTP."""
