"""What was done, by whom: an append-only chain of records in a SQLite file of its own.

``trail`` is the door: it has each record written to ``journal`` by ``pen`` as it comes, and has a thread do all that
takes time. ``ledger`` is the file, used by that thread alone; ``tables`` is what is in it, and whether it is as it was
made; ``head`` is the end of the chain beside it; ``chain`` knows hashes, and checks them; ``reading`` is what may be
asked; ``rotation`` lets the oldest go; ``beginning`` is what a start does.
"""
