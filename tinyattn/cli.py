"""The command `tinyattn`: finds the subcommand, runs it, and turns the user's mistakes into one line."""
import argparse
import errno
import importlib
import os
import sys
import warnings

from .nearest import did_you_mean

# name: (module, one line of help). A module under `commands` has add_arguments(parser) and run(args) -> exit code;
# one that reads its own arguments is marked by "main" and has main(argv).
COMMANDS = {
    "train": ("commands.train", "train a model, or resume a run"),
    "eval": ("commands.evaluate", "test a trained model: accuracy, per class, confusion matrix"),
    "predict": ("commands.predict", "classify your own images"),
    "maps": ("commands.maps", "draw what a trained model looks at, and score it"),
    "export": ("commands.export", "write a trained model as ONNX, for other programs"),
    "summary": ("commands.summary", "layers, shapes, parameters and multiply-adds of a model"),
    "list": ("commands.names", "the models, attentions, data sets and recipes there are"),
    "data": ("commands.data", "where the data sets are; download one, look at one"),
    "gradcheck": ("gradcheck:main", "check gradients against finite differences"),
    "learn": ("commands.learn", "the lessons, and a check of your answers to their exercises"),
    "docs": ("commands.docs", "make the lessons' pages, and the site"),
    "bench": ("bench:main", "measure speed"),
    "xray": ("commands.xray", "watch a GPU kernel thread by thread: who reads and writes what; no GPU needed"),
    "warmup": ("commands.warmup", "compile all kernels now, so that no first run waits for it"),
    "doctor": ("commands.doctor", "is everything here that is needed, and does it run fast?"),
}

_EPILOG = """examples:
  tinyattn train                                       a CNN with attention on the built-in data, about half a minute
  tinyattn train --data mnist --epochs 5 --seed 1
  tinyattn train --resume runs/mnist-attention_cnn-cbam-seed1
  tinyattn eval runs/mnist-attention_cnn-cbam-seed1
  tinyattn predict runs/mnist-attention_cnn-cbam-seed1 my_digit.jpg
  tinyattn maps runs/mnist-attention_cnn-cbam-seed1    pictures and a page of what it looks at

tinyattn COMMAND --help explains each command."""


class Mistake(Exception):
    """Something the user can put right. `str()` is shown as it is."""


class Parser(argparse.ArgumentParser):
    """argparse, with our form of errors and the nearest option for a misspelt one."""

    def __init__(self, *arguments, **options):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, allow_abbrev=False, **options)

    def error(self, message):
        raise Mistake(f"{message} (see {self.prog} --help)")

    def _get_value(self, action, text):
        """argparse's conversion of one word, with our answer to one that is no number."""
        try:
            return super()._get_value(action, text)
        except argparse.ArgumentError:
            kind = {int: "a whole number", float: "a number"}.get(action.type, "something else")
            self.error(f"{'/'.join(action.option_strings) or action.metavar} is {text!r}, expected {kind}")

    def _check_value(self, action, value):
        """argparse's check of a word against its choices, with the nearest one."""
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(value, action.choices, quoted=False)
            self.error(f"{'/'.join(action.option_strings) or action.metavar or action.dest} {value!r} is not known: {hint}{' ' * bool(hint)}choose from "
                       + ", ".join(map(str, action.choices)))

    def parse_all(self, argv):
        """Parse `argv`, or raise `Mistake`: unknown options are answered with the nearest known one."""
        args, unknown = self.parse_known_args(argv)
        if unknown:
            word = unknown[0]
            if not word.startswith("-"):
                self.error(f"unexpected argument {word!r}: options begin with --")
            self.error(f"unknown argument {word}{_did_you_mean(word, [o for a in self._actions for o in a.option_strings])}")
        return args


def _did_you_mean(word, known):
    """": did you mean --epochs?" for the nearest of `known`, else nothing."""
    hint = did_you_mean(word.split("=")[0], known, quoted=False)
    return f": {hint}" if hint else ""


def _overview():
    lines = [f"  {name:<11}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["usage: tinyattn COMMAND …", "", "Convolution and attention from scratch: train, look, understand.",
                      "", "commands:", *lines, "", _EPILOG])


def _command(argv):
    """Run one command line; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        if len(argv) > 1 and argv[0] == "help":
            return _command([argv[1], "--help"])
        print(_overview())
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        import tinyattn
        print(f"tinyattn {tinyattn.__version__}")
        return 0
    name, rest = argv[0], argv[1:]
    if name.startswith("-"):
        raise Mistake(f"unknown argument {name}{_did_you_mean(name, ['--help', '--version', '-h', '-V']) or ':'} a command comes first, "
                      "as in tinyattn train --epochs 3")
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS, quoted=False)
        raise Mistake(f"unknown command {name!r}: {hint}{' ' * bool(hint)}choose from {', '.join(COMMANDS)}")
    if name != "doctor":  # which says it at more length
        from . import kernels
        try:
            kernels.active()
        except ValueError as error:
            raise Mistake(str(error)) from error
    module, _, function = COMMANDS[name][0].partition(":")
    module = importlib.import_module(f"tinyattn.{module}")
    if function:
        return getattr(module, function)(rest)
    parser = Parser(prog=f"tinyattn {name}", description=module.__doc__)
    module.add_arguments(parser)
    return module.run(parser.parse_all(rest))


def main(argv=None):
    """Run the command line `argv` (default: the process's own). Returns the exit code: 0 done, 2 a mistake explained,
    128 + the signal's number when stopped by one (130 for Ctrl-C)."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = _command(argv) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `tinyattn list | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("tinyattn: stopped", file=sys.stderr)
        return 130
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else 2
    except Exception as error:
        return _explain(error)


def _show_warning(message, category, filename, line, file=None, text=None):
    """A warning as one line without the place in our source that it came from."""
    print(f"tinyattn: note: {message}", file=file or sys.stderr)


def _explain(error):
    """Print a mistake as one message and return its exit code; anything else is a fault of ours: raise it again."""
    from .data import DataNotFound
    from .export import ExportError
    from .learn.lessons import LessonError
    from .training import CheckpointError, Diverged, Interrupted, OptionError, SaveError
    if isinstance(error, Interrupted):
        print(f"tinyattn: {error}", file=sys.stderr)
        return 128 + error.signal
    if isinstance(error, (Mistake, OptionError, CheckpointError, SaveError, Diverged, DataNotFound, ExportError, LessonError,
                          FileExistsError, BlockingIOError)):
        print(f"tinyattn: error: {error}", file=sys.stderr)
        return 2
    if isinstance(error, OSError) and error.filename and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC):
        print(f"tinyattn: error: {error.filename}: {error.strerror}; name a place where there is room and you may write", file=sys.stderr)
        return 2
    raise error
