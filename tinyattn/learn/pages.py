"""The pages of the lessons as files: made, written, compared with those that are kept."""
from . import markdown, museum
from .execute import execute
from .lessons import folder


def make(lesson, every):
    """Run `lesson`; {name: text} of the files of its page. every: all lessons, for the links to its neighbours."""
    if lesson.key == "museum":
        return museum.page(lesson)
    numbered = [one for one in every if (one.folder / "lesson.py").is_file()]
    at = numbered.index(lesson)
    return markdown.page(lesson, execute(lesson), numbered[at - 1] if at else None, numbered[at + 1] if at + 1 < len(numbered) else None)


def kept(lesson):
    """{name: text} of the files that are there."""
    names = ["README.md", *(f"fig/{path.name}" for path in sorted((lesson.folder / "fig").glob("*")) if path.suffix in (".svg", ".json"))]
    return {name: (lesson.folder / name).read_text(encoding="utf-8") for name in names if (lesson.folder / name).is_file()}


def write(lesson, made):
    """Write the files of a page, and remove pictures that it has no more. A page that says the same as before, and points to the same lines,
    stays as it is."""
    before = kept(lesson)
    if not compare(lesson, made) and markdown.places(made["README.md"]) == markdown.places(before.get("README.md", "")):
        return
    (lesson.folder / "fig").mkdir(exist_ok=True)
    for name in before.keys() - made.keys():
        (lesson.folder / name).unlink()
    for name, text in made.items():
        (lesson.folder / name).write_text(text, encoding="utf-8")


def compare(lesson, made):
    """What differs between the page made now and the one that is kept, in words."""
    return markdown.differences(made, kept(lesson), markdown.tolerance(lesson) if lesson.key.isdigit() else markdown.TOLERANCE)


BEGIN, END = "<!-- made by: tinyattn docs pages -->\n", "<!-- end -->\n"


def index(every, text):
    """The text of ``tutorials/README.md`` with the list of the lessons made anew."""
    lines = [f"{one.key if one.key.isdigit() else '–'} [{one.title}]({one.name}/README.md)  " for one in every]
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1]


def write_index(every):
    """Bring the list in ``tutorials/README.md`` up to date."""
    path = folder() / "README.md"
    path.write_text(index(every, path.read_text(encoding="utf-8")), encoding="utf-8")
