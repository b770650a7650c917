"""Exit codes of the command line; those of a batch stand with it."""

from __future__ import annotations

__all__ = ["EXIT_BAD_INPUT", "EXIT_CODES", "EXIT_FAULT", "EXIT_INTERRUPTED"]

EXIT_FAULT = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_CODES = """exit codes:
  0    done
  1    batch: some movies failed; any command: an error of napari-xmem's own
  2    bad input, or the result cannot be written; one line on stderr says what
  130  stopped by Ctrl-C;  143, 129: by SIGTERM, SIGHUP.  Finished frames are kept, --resume goes on with them

documentation: https://github.com/napari-xmem/napari-xmem/tree/main/docs"""
