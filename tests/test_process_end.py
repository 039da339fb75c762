"""The end of a process: what was registered for it is run, what was written comes out, threads come to theirs."""

import subprocess
import sys

import pytest

PLAIN = "atexit.register(print, 'registered')"
THREAD = "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()"


@pytest.mark.parametrize(("before", "printed"), [(PLAIN, ["rows", "registered"]), (THREAD, ["rows", "thread"])])
def test_nothing_of_a_process_is_lost_at_its_end(before, printed):
    text = f"import atexit, threading, time; from harness.process_end import end_process; {before}; print('rows')"
    done = subprocess.run([sys.executable, "-c", f"{text}; end_process(3)"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(), done.stderr) == (3, printed, "")
