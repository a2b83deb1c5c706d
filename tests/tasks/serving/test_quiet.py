import os

from tasks.serving.quiet import quiet


def test_what_libraries_write_vanishes_and_the_stream_that_is_given_does_not(capfd):
    with quiet() as terminal:
        os.write(2, b"no graphics card\n")
        print("progress", file=terminal)
    os.write(2, b"an error\n")
    assert capfd.readouterr().err == "progress\nan error\n"
