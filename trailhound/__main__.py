"""The console script `trailhound`, and `python -m trailhound`."""

import os
import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run() -> None:
    """Import the program and run it. A signal ends it without a traceback from its first moment on:
    the imports take a second and more on a busy machine."""
    before = {each: signal.getsignal(each) for each in _SIGNALS}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, _end)
    from trailhound.cli import main

    for each, handler in before.items():
        signal.signal(each, handler)
    main.run()


def _end(*_: object) -> None:
    """Nothing has begun that could be finished."""
    os._exit(130)  # as trailhound.cli.exit_codes has it, which is not imported yet


if __name__ == "__main__":
    run()
