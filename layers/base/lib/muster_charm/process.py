"""Programs that a charm runs. Secrets go by standard input or by files, never among arguments."""

import os
import subprocess


class CommandError(Exception):
    """A program failed. The text names the program and carries the end of what it said."""


def run(*arguments, data=None, environment=None, seconds=None, check=True, cwd=None):
    """Runs a program, and gives what came out of it (`stdout`, `stderr`, `returncode`).

    `environment` is added to the hook's own. `seconds` is a limit, after which it is killed.
    """
    try:
        done = subprocess.run(
            arguments,
            input=data,
            stdin=None if data is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
            timeout=seconds,
            check=False,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise CommandError(f"{arguments[0]} is not installed: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{arguments[0]} did not end within {seconds} s") from error
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise CommandError(f"{arguments[0]} failed with exit code {done.returncode}: {said}")
    return done


def succeeds(*arguments, **options):
    """Whether a program ends with exit code 0."""
    return run(*arguments, check=False, **options).returncode == 0


def output(*arguments, **options):
    """What a program prints, without the blanks around it."""
    return run(*arguments, **options).stdout.strip()
