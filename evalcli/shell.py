"""Names from files in commands that somebody will copy into a shell.

A class may be called ``x'; reboot; '``. What a report advises to run must mean that class, and never run it.
"""

from __future__ import annotations


def quoted(text: str) -> str:
    """The text as one word in quotes.

    >>> print(quoted("recall[cat]=0.8"), quoted("recall[it's]=0.8"))
    'recall[cat]=0.8' 'recall[it'"'"'s]=0.8'
    """
    return "'" + text.replace("'", "'\"'\"'") + "'"


def word(text: str) -> str:
    """The text as one word, in quotes where it needs them.

    >>> print(word("cat"), word("not spam"))
    cat 'not spam'
    """
    from shlex import quote

    return quote(text)


def unquoted(text: str) -> str:
    """What a shell makes of such a word.

    >>> unquoted(word("it's")), unquoted("cat")
    ("it's", 'cat')
    """
    return text[1:-1].replace("'\"'\"'", "'") if text.startswith("'") else text
