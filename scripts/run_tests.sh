#!/usr/bin/env bash
# run_tests.sh PYTHON QT: all tests with this Python and Qt binding; on Linux under a virtual display.
set -euo pipefail
python="$1"
export PYTEST_QT_API="$2" QT_API="$2" OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
if [ "$(uname -s)" = Linux ]; then
    scripts/install-system-libs.sh
    QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" "$python" -m pytest
else
    "$python" -m pytest
fi
