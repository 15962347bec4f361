"""Entry point: finds the verb, imports that verb alone, and turns our errors into one line and an exit code."""

from __future__ import annotations

import importlib
import sys

import tyro

from sim.errors import TouchstoneError, UnknownNameError

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("cli.demo", "the whole way on one clip: motion, policy, verdict, report"),
    "import": ("cli.import_", "a data-set file to a motion"),
    "reconstruct": ("cli.reconstruct", "a video and annotated points to a motion"),
    "plan": ("cli.plan", "what a sentence about a person and an object comes to, and where it would be touched"),
    "generate": ("cli.generate", "a sentence about a person and an object to a motion, or a file of them to a gallery"),
    "inspect": ("cli.inspect", "audit a motion kinematically, in seconds, without physics"),
    "corrupt": ("cli.corrupt", "do to a motion what reconstruction from video does to it"),
    "retarget": ("cli.retarget", "fit the simulated humanoid to a motion and say what had to change"),
    "judge": ("cli.judge", "say within minutes whether a motion can be carried out, without learning"),
    "train": ("cli.train", "train a policy that carries a motion out under physics"),
    "evaluate": ("cli.evaluate", "run a trained policy, measure it and give the verdict"),
    "report": ("cli.report", "write the self-contained report of a run"),
    "view": ("cli.view", "look at a motion or a run, live in the browser"),
    "export": ("cli.export", "a motion to another project's layout"),
}
"""Verb -> (module, one line). A module holds a frozen dataclass `Command` whose `run()` does the work."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def _usage() -> str:
    rows = "\n".join(f"  {verb:<12} {line}" for verb, (_, line) in VERBS.items())
    return (
        "Touchstone tests whether human-object interaction motion is physically real.\n\n"
        f"usage: touchstone VERB [options]\n\n{rows}\n\ntouchstone VERB --help shows a verb's options and an example.\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Returns 0 on success, 2 after an error of the user's making, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_usage())
        return 0 if arguments else EXIT_USER_ERROR
    try:
        verb = arguments[0]
        if verb not in VERBS:
            raise UnknownNameError("verb", verb, VERBS)
        module = importlib.import_module(VERBS[verb][0])
        command = tyro.cli(module.Command, prog=f"touchstone {verb}", args=arguments[1:], description=module.__doc__)
        command.run()
    except TouchstoneError as error:
        sys.stderr.write(f"touchstone: {error}\n")
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        sys.stderr.write("touchstone: interrupted\n")
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
