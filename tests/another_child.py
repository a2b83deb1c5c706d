"""Another child process for the tests of `tasks.child`."""

from tasks.serve import serve

from tests import a_child


def work(job, progress):
    return a_child.work(job, progress) | {"module": "another_child"}


if __name__ == "__main__":
    serve(work)
