"""A handler that is installed nowhere: its text and the far end's travel over the pipe itself, and stay in memory."""

from __future__ import annotations

import json
import re
import shlex
import zlib
from functools import cache
from importlib.resources import files
from importlib.util import decode_source
from typing import TYPE_CHECKING, Final

from ..model.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["shipped"]

_PLAIN: Final = re.compile("[A-Za-z0-9_./-]+")
_RUNTIME: Final = {"mooring": "", "mooring.far": "far/__init__.py"}
_SSHPIPE: Final = {
    "mooring.compat": "",
    "mooring.compat.sshpipe": "compat/sshpipe/__init__.py",
    "mooring.compat.sshpipe.handler": "compat/sshpipe/handler.py",
}
"""What a handler of sshpipe's needs besides."""
_BOOT: Final = """\
def boot():
 import os,sys
 if sys.version_info<(3,8):sys.exit("a handler needs Python 3.8, and this is "+sys.version.split()[0])
 b=b""
 while len(b)<{whole}:
  c=os.read(0,{whole}-len(b))
  if not c:sys.exit("the handler did not arrive whole")
  b+=c
 import json,linecache,types,zlib
 for name,text in json.loads(zlib.decompress(b[:{runtime}]).decode()):
  m=sys.modules[name]=types.ModuleType(name)
  m.__package__,_,last=name.rpartition(".")
  if _:setattr(sys.modules[m.__package__],last,m)
  exec(compile(text,name.replace(".","/"),"exec"),m.__dict__)
 file,text,args=json.loads(zlib.decompress(b[{runtime}:]).decode())
 linecache.cache[file]=len(text),None,text.splitlines(True),file
 sys.argv[:]=[file]+args
 return file,compile(text,file,"exec")
__file__,boot=boot()
exec(boot)"""
"""Reads exactly what it was sent, since the frames follow; keeps it in memory."""


def shipped(interpreter: str, name: str, source: bytes, args: Sequence[str]) -> tuple[str, bytes]:
    """The command line that starts a handler, and what to write to it first.

    Args:
        interpreter: The far end's Python.
        name: The handler's file name.
        source: Its text.
        args: The handler's words.

    Raises:
        InvalidInput: It is no Python.
    """
    try:
        text = decode_source(source)  # PEP 263: a coding cookie, or a byte order mark
        compile(text, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise InvalidInput(f"the handler {name} is no Python: {error}") from None
    runtime = _runtime(sshpipe="compat" in text)
    program = zlib.compress(json.dumps([name, text, list(args)]).encode())
    boot = _BOOT.format(runtime=len(runtime), whole=len(runtime) + len(program))
    become = "exec " if _PLAIN.fullmatch(interpreter) else ""  # signals then go to the handler, not to a shell
    return f"{become}{interpreter} -c {shlex.quote(boot)}", runtime + program


@cache
def _runtime(*, sshpipe: bool) -> bytes:
    ours = files("mooring")
    modules = _RUNTIME | _SSHPIPE if sshpipe else _RUNTIME
    texts = [(name, (ours / file).read_text("utf-8") if file else "") for name, file in modules.items()]
    return zlib.compress(json.dumps(texts).encode())
