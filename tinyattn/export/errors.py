"""What can be said to someone whose model does not become a file."""


class ExportError(ValueError):
    """A model, or a place for its file, that cannot be exported. `str()` is one sentence for the user."""


def needed(package):
    """The module `package`, of the extra "onnx". ExportError with the command that installs it, if it is not here."""
    import importlib
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if getattr(error, "name", None) not in (None, package):
            raise ExportError(f"export: {package} cannot be imported ({error}); repair it with pip install --force-reinstall {package}") from error
        raise ExportError(f"export: this needs the package {package}, which is not installed; pip install 'tinyattn[onnx]' brings it (in a "
                          "checkout: pip install -e '.[onnx]')") from None
