"""Fetching a published file, from servers that are slow, cut off, refuse, or lie."""


class DownloadError(OSError):
    """No mirror gave the file. `reasons` is a list of (url, what went wrong)."""

    def __init__(self, name, reasons):
        super().__init__(f"{name} could not be downloaded: " + "; ".join(f"{url}: {why}" for url, why in reasons))
        self.reasons = reasons


def fetch(urls, path, md5):
    raise DownloadError(path.name, [(url, "not yet") for url in urls])
