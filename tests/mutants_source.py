"""One mistake in the source of a function: every possible change of its syntax tree, one at a time."""
import ast
import inspect
import textwrap


class Change(ast.NodeTransformer):
    """Makes the n-th possible change of a syntax tree; `done` says which it was: (kind, words)."""

    def __init__(self, number):
        self.number, self.seen, self.done, self.within = number, 0, None, ""

    def _mine(self, kind, words):
        self.seen += 1
        if self.seen - 1 == self.number:
            self.done = kind, words
            return True
        return False

    def visit_Subscript(self, node):
        text = ast.unparse(node.value)
        if text == "ctx.needs":           # what is computed, not its value
            return node
        return self.generic_visit(node)

    def visit_BinOp(self, node):
        text = ast.unparse(node)
        if isinstance(node.op, (ast.Add, ast.Sub)) and not isinstance(node.left, ast.Tuple) and not isinstance(node.right, ast.Tuple):
            other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            if self._mine("sign", f"the sign in {text}"):
                return ast.BinOp(node.left, other, node.right)
            if self._mine("term", f"{text} without its second term"):
                return node.left
            if self._mine("term", f"{text} without its first term"):
                return ast.UnaryOp(ast.USub(), node.right) if isinstance(node.op, ast.Sub) else node.right
        if isinstance(node.op, (ast.Mult, ast.Div)) and not isinstance(node.left, ast.Tuple) and not isinstance(node.right, ast.Tuple):
            if self._mine("dropped factor", f"{text} without its second factor"):
                return node.left
            if isinstance(node.op, ast.Mult) and self._mine("dropped factor", f"{text} without its first factor"):
                return node.right
        return self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and self._mine("sign", f"{ast.unparse(node)} without its minus"):
            return node.operand
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):     # −1 is one constant
            if type(node.operand.value) is int and self._mine("off by one", f"{ast.unparse(node)} one less"):
                return ast.Constant(-node.operand.value - 1)
            return node
        return self.generic_visit(node)

    def visit_Call(self, node):
        name, text = getattr(node.func, "id", getattr(node.func, "attr", "")), ast.unparse(node)
        if name == "neg" and len(node.args) == 1 and self._mine("sign", f"{text} without its minus"):
            return node.args[0]
        if name == "unbroadcast" and self._mine("un-broadcast", f"{text} without the un-broadcast"):
            return node.args[0]
        if name == "flip" and isinstance(node.func, ast.Attribute) and self._mine("flip", f"{text} unflipped"):
            return node.func.value
        if name in ("sum", "mean") and isinstance(node.func, ast.Attribute):
            if self._mine("mean or sum", f"{text} as the other"):
                node.func.attr = {"sum": "mean", "mean": "sum"}[name]
                return node
        if name in ("square", "rsqrt", "sqrt", "reciprocal") and self._mine("dropped function", f"{text} without {name}"):
            return node.args[0] if node.args else node.func.value
        before, self.within = self.within, f" in {text}"
        node = self.generic_visit(node)
        self.within = before
        return node

    def visit_Constant(self, node):
        if type(node.value) is int:
            if self._mine("off by one", f"{node.value} one more{self.within}"):
                return ast.Constant(node.value + 1)
        if type(node.value) is float and self._mine("factor", f"{node.value} doubled"):
            return ast.Constant(node.value * 2)
        return node

    def visit_Compare(self, node):
        return node                    # branches, not the formula

    def visit_If(self, node):
        node.body = [self.visit(n) for n in node.body]
        node.orelse = [self.visit(n) for n in node.orelse]
        return node

    def visit_IfExp(self, node):
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_JoinedStr(self, node):
        return node


def _function(tree, scope, filename):
    """Compile a function's syntax tree in its module's scope."""
    made = {}
    exec(compile(ast.fix_missing_locations(ast.Module([tree], [])), filename, "exec"), scope, made)
    return next(iter(made.values()))


def changes_of(function, tree=None):
    """(kind, words, changed function) for each possible change of a function's source."""
    number = 0
    while True:
        fresh = tree if tree is not None else ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        fresh = ast.parse(ast.unparse(fresh)).body[0]
        fresh.body = fresh.body[1:] if ast.get_docstring(fresh) else fresh.body
        change = Change(number)
        changed = fresh
        changed.body = [change.visit(n) for n in fresh.body]
        if change.done is None:
            return
        yield *change.done, _function(changed, function.__globals__, inspect.getsourcefile(function))
        number += 1


def written_derivatives(function):
    """The functions written out in the closures of a derivative: the lambda given to `unary`, or the one given to `fused`."""
    inner = [c.cell_contents for c in function.__closure__ or () if inspect.isfunction(c.cell_contents)]
    return [g for f in inner for g in ([f] if not f.__closure__ else written_derivatives(f))]


def changes_of_derivative(function):
    if function.__name__ != "<lambda>":
        return changes_of(function)
    source = inspect.getsource(inspect.getmodule(function))
    lines = {node.lineno: [] for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Lambda):
            lines[node.lineno].append(node)
    (found,) = [n for n in lines[function.__code__.co_firstlineno] if [a.arg for a in n.args.args] == list(inspect.signature(function).parameters)]
    tree = ast.FunctionDef("derivative", found.args, [ast.Return(found.body)], [])
    ast.fix_missing_locations(tree)
    return changes_of(function, tree)
