"""Compiled code from plain Python functions, kept on disk by what the functions say.

A kernel stands in its own file as plain Python, so that it runs (slowly) with no compiler
at all. Compiling it here walks to everything it calls, so neither kernels nor a user's
equations need a decorator; and the disk cache is keyed by the text of all of that,
not by one file's date, so a helper changed in another file is never missed.
"""

import hashlib
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from songsinh.errors import ModelError

__all__ = ["address", "call", "compiled", "fingerprint", "fixed", "leap", "place_of", "view"]

# division by zero gives inf; kernels allocate nothing, so nothing in them counts references
EQUATIONS: dict[str, Any] = {"error_model": "numpy"}
KERNEL: dict[str, Any] = {
    "error_model": "numpy",
    "nogil": True,
    "_nrt": False,
    "no_cfunc_wrapper": True,
}
HELPER = KERNEL | {"forceinline": True, "no_cpython_wrapper": True}

# libraries that numba knows itself; their functions are not walked into
KNOWN = ("numpy", "math", "builtins", "numba")


def call(function: Any, t: float, x: Any, u: Any, p: Any, out: Any) -> None:
    """Run a model's function into `out`: a Python function here, an address when compiled."""
    function(t, x, u, p, out)


def view(array: Any, size: int) -> Any:
    """The array itself; when compiled, the array that begins at a pointer."""
    return array


def leap(function: Any, law: Any, states: Any, parameters: Any, rest: Any) -> Any:
    """Run a kernel that integrates; `rest` are its other arguments.

    It is a Python function here, an address when compiled, so that kernels which need it are
    the same for all models and solvers.
    """
    return function(law, states, parameters, *rest)


def fixed(function: Callable[..., Any], **constants: Any) -> Any:
    """A copy of a kernel in which some global names are constants, in its helpers too.

    Helpers that never ask for such a name stay as they are, so they are compiled once.
    """
    return _fixed(function, constants, {})


def _fixed(function: Any, constants: dict[str, Any], made: dict[int, Any]) -> Any:
    if id(function) in made:
        return made[id(function)]
    if not any(_asks(one, constants) for one in _helpers(function, set())):
        made[id(function)] = function
        return function
    space = function.__globals__ | constants
    copied = types.FunctionType(function.__code__, space, function.__name__)
    made[id(function)] = copied
    for name, value in _references(function):
        if isinstance(value, types.FunctionType) and value not in TAUGHT:
            space[name] = _fixed(value, constants, made)
    return copied


def _asks(function: Any, constants: dict[str, Any]) -> bool:
    return any(name in constants for inner in _codes(function.__code__) for name in inner.co_names)


def fingerprint(function: Callable[..., Any]) -> str:
    """A hash of all that a function's result depends on: its code, helpers and constants."""
    digest = hashlib.sha256(repr((EQUATIONS, KERNEL, HELPER)).encode())
    for part in _parts(function, set()):
        digest.update(part)
    return digest.hexdigest()[:32]


def compiled(function: Callable[..., Any], signature: str) -> Any:
    """A kernel as machine code that releases the GIL, from the disk cache where it is there."""
    key = fingerprint(function)
    with _lock:
        if (key, signature) not in _made:
            _made[key, signature] = _compile(function, signature, key)
        return _made[key, signature]


_made: dict[tuple[str, str], Any] = {}
_lock = threading.Lock()


def _compile(function: Callable[..., Any], signature: str, key: str) -> Any:
    import numba

    _prepare(function, HELPER)
    dispatcher = numba.njit(**KERNEL)(function)
    dispatcher._cache = _disk_cache(function, key)
    with _helpers_left_as_they_are(function.__name__):
        dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher


def place_of(kernel: Any) -> int:
    """The address of a compiled kernel, for `leap`."""
    (made,) = kernel.overloads.values()
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


@contextmanager
def _helpers_left_as_they_are(kernel: str) -> Iterator[None]:
    """Let LLVM optimise a kernel once, and not each helper again at every level it is inlined.

    Helpers become no machine code of their own either. Together that is half of the time to
    compile. Only this thread compiles meanwhile.
    """
    from numba.core import codegen
    from numba.core.compiler_lock import global_compiler_lock

    libraries: Any = codegen.CPUCodeLibrary
    engines: Any = codegen.JITCPUCodegen
    optimise, finish = libraries._optimize_final_module, libraries._finalize_final_module
    place = engines.set_env

    def optimise_kernel(library: Any) -> None:
        if library.name == kernel:
            optimise(library)

    def finish_kernel(library: Any) -> None:
        if library.name == kernel:
            finish(library)
        else:
            library._finalize_dynamic_globals()
            library._finalized = True

    def place_kernel(engine: Any, name: str, environment: Any) -> None:
        if engine._engine.is_symbol_defined(name):
            place(engine, name, environment)

    with global_compiler_lock:
        engines.set_env = place_kernel
        libraries._optimize_final_module = optimise_kernel
        libraries._finalize_final_module = finish_kernel
        try:
            yield
        finally:
            libraries._optimize_final_module = optimise
            libraries._finalize_final_module = finish
            engines.set_env = place


def address(function: Callable[..., Any]) -> int:
    """The address of a model's function `(t, x, u, p, out)`, compiled as plain C."""
    key = fingerprint(function)
    with _lock:
        if (key, "") not in _made:
            _made[key, ""] = _callback(function, key)
        return int(_made[key, ""].address)


def _callback(function: Callable[..., Any], key: str) -> Any:
    import numba
    from numba.core.ccallback import CFunc

    _prepare(function, EQUATIONS)
    pointer = numba.types.CPointer(numba.types.float64)
    signature = numba.types.void(numba.types.float64, pointer, pointer, pointer, pointer)
    callback: Any = CFunc(
        function,
        (signature.args, signature.return_type),
        locals={},
        options=EQUATIONS,
    )
    callback._cache = _disk_cache(function, key)
    try:
        callback.compile()
    except numba.core.errors.NumbaError as error:
        told = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(
            f"the equations cannot be compiled ({told[min(1, len(told) - 1)]}); "
            "use plain numbers, songsinh.maths and loops in them"
        ) from error
    return callback


def _disk_cache(function: Callable[..., Any], key: str) -> Any:
    from numba.core import caching
    from numba.core import config as settings
    from numba.misc.appdirs import user_cache_dir

    config: Any = settings

    class Locator(caching._CacheLocator):
        def get_cache_path(self) -> str:
            return str(Path(config.CACHE_DIR or user_cache_dir("songsinh")) / "kernels")

        def get_source_stamp(self) -> str:
            return key

        def get_disambiguator(self) -> str:
            return key[:12]

        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> "Locator":
            return cls()

    class Impl(caching.CompileResultCacheImpl):
        _locator_classes = (Locator,)  # type: ignore[assignment]

    class Cache(caching.FunctionCache):
        _impl_class = Impl

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return caching.FunctionCache.load_overload(self, sig, target_context)
            except Exception:  # a file that cannot be read back, for whatever reason, is none
                return None

    try:
        Locator().ensure_cache_path()  # type: ignore[no-untyped-call]
        return Cache(function)  # type: ignore[no-untyped-call]
    except OSError:  # a read-only home costs compiling anew, nothing else
        return caching.NullCache()


def _prepare(function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Let numba compile what a function calls, though none of it is decorated."""
    from numba.extending import register_jitable

    _teach_call()
    _teach_leap()
    for helper in _helpers(function, set()):
        if helper not in (function, *TAUGHT) and helper not in _prepared:
            register_jitable(**options)(helper)
            _prepared.add(helper)


_prepared: set[Any] = set()


TAUGHT: Any = (call, leap, view)  # what numba is taught by hand


@cache
def _teach_call() -> None:
    """Teach numba that `call` on a whole number is a jump to that address, and `view`."""
    from llvmlite import ir
    from numba import carray  # type: ignore[attr-defined]
    from numba import types as nb
    from numba.extending import intrinsic, overload

    @intrinsic
    def jump(typing_context: Any, where: Any, t: Any, x: Any, u: Any, p: Any, out: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            double = ir.DoubleType()
            pointer = double.as_pointer()
            prototype = ir.FunctionType(ir.VoidType(), [double] + [pointer] * 4)
            target = builder.inttoptr(values[0], prototype.as_pointer())
            arrays = [
                context.make_array(kind)(context, builder, value).data
                for kind, value in zip(signature.args[2:], values[2:], strict=True)
            ]
            builder.call(target, [values[1], *arrays])
            return context.get_dummy_value()

        return nb.void(where, t, x, u, p, out), emit

    @overload(call)
    def overloaded(function: Any, t: Any, x: Any, u: Any, p: Any, out: Any) -> Any:
        def jumping(function: Any, t: Any, x: Any, u: Any, p: Any, out: Any) -> Any:
            return jump(function, t, x, u, p, out)  # type: ignore[call-arg]

        return jumping

    @overload(view)
    def viewed(array: Any, size: Any) -> Any:
        def viewing(array: Any, size: Any) -> Any:
            return carray(array, size)

        return viewing


@cache
def _teach_leap() -> None:
    """Teach numba that `leap` on a whole number is a jump to the kernel at that address."""
    from numba.core import types as nb
    from numba.extending import intrinsic, overload

    @intrinsic
    def jump(typing_context: Any, where: Any, law: Any, x: Any, p: Any, rest: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            given = signature.args[1:4] + tuple(signature.args[4])
            parts = [builder.extract_value(values[4], k) for k in range(len(signature.args[4]))]
            kind = context.call_conv.get_function_type(nb.int64, given)
            target = builder.inttoptr(values[0], kind.as_pointer())
            told = context.call_conv.call_function(
                builder, target, nb.int64, given, [*values[1:4], *parts]
            )
            return told[1]

        plain = nb.Tuple([nb.unliteral(one) for one in rest])
        return nb.int64(where, law, x, p, plain), emit

    @overload(leap)
    def leaped(function: Any, law: Any, states: Any, parameters: Any, rest: Any) -> Any:
        def leaping(function: Any, law: Any, states: Any, parameters: Any, rest: Any) -> Any:
            return jump(function, law, states, parameters, rest)  # type: ignore[call-arg]

        return leaping


def _references(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """What a function's names mean: its globals, closed-over values and module attributes."""
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    found = {name: cell.cell_contents for name, cell in cells}
    for inner in _codes(code):
        for name in inner.co_names:
            if name in function.__globals__:
                found[name] = function.__globals__[name]
    names = {name for inner in _codes(code) for name in inner.co_names}
    for name, value in sorted(found.items()):
        yield from _within(name, value, names)


def _within(name: str, value: Any, names: set[str]) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, types.ModuleType):
        yield name, value
    elif value.__name__.split(".")[0] not in KNOWN:
        for attribute in sorted(names & set(vars(value))):
            inner = vars(value)[attribute]
            if inner is not value:
                yield from _within(f"{name}.{attribute}", inner, names - {attribute})


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _helpers(function: Any, seen: set[int]) -> Iterator[Any]:
    if id(function) in seen or function.__module__.split(".")[0] in KNOWN:
        return
    seen.add(id(function))
    yield function
    for _, value in _references(function):
        if isinstance(value, types.FunctionType):
            yield from _helpers(value, seen)


def _parts(function: Any, seen: set[int]) -> Iterator[bytes]:
    if id(function) in seen:
        return
    seen.add(id(function))
    for code in _codes(function.__code__):
        constants = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
        if constants[:1] == [function.__doc__]:
            del constants[0]  # a changed docstring changes no result
        yield code.co_code + repr((constants, code.co_names, code.co_varnames)).encode()
    # reading a kernel back opens the module of each function in it, so that belongs to it too
    yield repr((function.__module__, function.__defaults__, function.__kwdefaults__)).encode()
    for name, value in _references(function):
        yield name.encode()
        if isinstance(value, types.FunctionType):
            yield from _parts(value, seen)
        else:
            yield _told(value)


def _told(value: Any) -> bytes:
    if isinstance(value, np.ndarray):  # repr would leave out the middle of a long one
        return repr((value.shape, value.dtype)).encode() + value.tobytes()
    if isinstance(value, tuple | list):
        return b"(" + b",".join(_told(part) for part in value) + b")"
    if isinstance(value, type):
        return repr((value.__name__, getattr(value, "_fields", ""))).encode()
    return repr(value).encode()
