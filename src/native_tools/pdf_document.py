"""PDF: its text, page by page. For `extractor` only: files are made to take for ever."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from native_tools.extractor import Answer, Request, Unreadable

if TYPE_CHECKING:
    from pypdf import PdfReader


def extract_text(request: Request) -> Answer:
    """Return `{text, title, page_count, truncated}`; `pages` is a pair of the first and the last that are read."""
    from pypdf import PdfReader  # noqa: PLC0415 # 0.1 s that pages of HTML need not pay
    from pypdf.errors import FileNotDecryptedError, PyPdfError  # noqa: PLC0415 # as above

    try:
        return _read(PdfReader(io.BytesIO(request["data"])), request)
    except (Unreadable, MemoryError, RecursionError):
        raise
    except FileNotDecryptedError as error:
        raise Unreadable("the PDF is encrypted.") from error
    except PyPdfError as error:
        raise Unreadable(f"the PDF cannot be read: {error}") from error
    except Exception as error:
        # Broken files make pypdf raise anything, as it says itself.
        raise Unreadable(f"the PDF is broken: {type(error).__name__}") from error


def _read(reader: PdfReader, request: Request) -> Answer:
    # A file that only restricts printing and such opens with the empty password.
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("the PDF is encrypted.")
    most, count = request["max_chars"], len(reader.pages)
    first, last = _range(request.get("pages"), count)
    texts: list[str] = []
    size = 0
    for number in range(first - 1, last):
        texts.append(reader.pages[number].extract_text().strip())
        size += len(texts[-1]) + 1
        if size > most:
            break
    text = "\f".join(texts)
    title = None if reader.metadata is None else reader.metadata.title
    # Texts of a PDF are a kind of str that nobody else knows.
    return {
        "text": text[:most],
        "title": "".join(title) if title else None,
        "page_count": count,
        "truncated": len(text) > most,
    }


def _range(asked: list[int] | None, count: int) -> tuple[int, int]:
    first, last = asked or (1, count)
    if first > count and count:
        raise Unreadable(f"the PDF has {count} pages, page {first} was asked for.")
    return first, min(last, count)
